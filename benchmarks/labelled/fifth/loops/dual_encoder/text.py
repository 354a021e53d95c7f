import re

import numpy as np

TOKEN = re.compile(r"[a-z0-9]+")
STOP = frozenset("a an the of and or to in is are for on with at by from it this that".split())
PAD, UNK = 0, 1


class Vocab:
    def __init__(self, docs, size=20000, min_count=2):
        count = {}
        for d in docs:
            for w in tokens(d):
                count[w] = count.get(w, 0) + 1
        words = sorted((w for w, c in count.items() if c >= min_count), key=lambda w: -count[w])[:size - 2]
        self.index = {w: i + 2 for i, w in enumerate(words)}
        total = sum(count.values()) or 1
        self.freq = np.array([0.0, 1e-3] + [count[w] / total for w in words], np.float32)  # SAFE: total is 1 when there are no tokens

    def __len__(self):
        return len(self.index) + 2

    def sif(self, a=1e-3):
        """Smooth inverse frequency weights, 0 for padding."""
        w = a / (a + self.freq)  # SAFE: a is 1e-3 and frequencies are not negative
        w[PAD] = 0.0
        return w.astype(np.float32)

    def idf(self, docs):
        df = np.zeros(len(self), np.float32)
        for d in docs:
            for w in set(tokens(d)):
                if w in self.index:
                    df[self.index[w]] += 1
        return np.log((1 + len(docs)) / (1 + df)) + 1.0  # SAFE: both counts have 1 added


def tokens(doc):
    return [w for w in TOKEN.findall(doc.lower()) if w not in STOP]


def encode(docs, vocab, max_len):
    out = np.zeros((len(docs), max_len), np.int32)
    for i, d in enumerate(docs):
        ids = [vocab.index[w] for w in tokens(d) if w in vocab.index][:max_len]
        out[i, :len(ids)] = ids
    return out
