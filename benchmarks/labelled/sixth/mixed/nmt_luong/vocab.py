import collections
import math

PAD, BOS, EOS, UNK = range(4)


class Vocab:
    def __init__(self, sents, size=8000):
        c = collections.Counter(w for s in sents for w in s.split())
        self.words = ["<pad>", "<s>", "</s>", "<unk>"] + [w for w, _ in c.most_common(size - 4)]
        self.ids = {w: k for k, w in enumerate(self.words)}

    def encode(self, s):
        return [self.ids.get(w, UNK) for w in s.split()] + [EOS]

    def __len__(self):
        return len(self.words)


def pad(seqs):
    n = max(map(len, seqs))
    return [s + [PAD] * (n - len(s)) for s in seqs]


def bleu(ref, hyp, n=4):
    """Smoothed sentence BLEU."""
    if not hyp:
        return 0.0
    logp = 0.0
    for k in range(1, n + 1):
        r = collections.Counter(tuple(ref[i:i + k]) for i in range(len(ref) - k + 1))
        h = collections.Counter(tuple(hyp[i:i + k]) for i in range(len(hyp) - k + 1))
        m = sum(min(v, r[g]) for g, v in h.items())
        logp += math.log((m + 1.0) / (sum(h.values()) + 1.0)) / n  # SAFE: add-one smoothing on both counts
    bp = min(0.0, 1.0 - len(ref) / len(hyp))  # SAFE: an empty hypothesis returned at the top
    return math.exp(logp + bp)  # SAFE: both terms are at most 0
