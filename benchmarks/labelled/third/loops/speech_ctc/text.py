import string

VOCAB = [" ", "'"] + list(string.ascii_lowercase)
CHAR2ID = {c: i + 1 for i, c in enumerate(VOCAB)}
BLANK = 0
N_TOKENS = len(VOCAB) + 1


def encode(text):
    return [CHAR2ID[c] for c in text.lower() if c in CHAR2ID]


def decode(ids):
    out, prev = [], BLANK
    for i in ids:
        if i != prev and i != BLANK:
            out.append(VOCAB[i - 1])
        prev = i
    return "".join(out)


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        prev, row[0] = row[0], i
        for j, cb in enumerate(b, 1):
            prev, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, prev + (ca != cb))
    return row[-1]


def cer(hyps, refs):
    err = sum(edit_distance(h, r) for h, r in zip(hyps, refs))
    return err / max(sum(len(r) for r in refs), 1)  # SAFE: max(.., 1)
