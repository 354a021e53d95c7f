import collections
import io

import numpy as np

PAD, BOS, EOS, UNK = 0, 1, 2, 3


def read_lines(path):
    with io.open(path, encoding="utf-8") as f:
        return [line.strip().split() for line in f]


def build_vocab(sentences, size):
    counts = collections.Counter(w for s in sentences for w in s)
    words = [w for w, _ in counts.most_common(size - 4)]
    return {w: i + 4 for i, w in enumerate(words)}


def encode(tokens, vocab):
    return [vocab.get(t, UNK) for t in tokens]


class ParallelCorpus(object):

    def __init__(self, src, tgt, src_vocab, tgt_vocab, cfg):
        assert len(src) == len(tgt), "corpora are not aligned"
        self.cfg = cfg
        self.src = [encode(s, src_vocab)[:cfg.max_src_len] for s in src]
        self.tgt = [encode(t, tgt_vocab)[:cfg.max_tgt_len - 1] + [EOS] for t in tgt]

    def __len__(self):
        return len(self.src)

    def pad(self, seqs, max_len):
        out = np.full((len(seqs), max_len), PAD, np.int32)
        for i, s in enumerate(seqs):
            out[i, :len(s)] = s
        return out, np.array([len(s) for s in seqs], np.int32)

    def make_batch(self, idx):
        x, x_len = self.pad([self.src[i] for i in idx], self.cfg.max_src_len)
        y, y_len = self.pad([self.tgt[i] for i in idx], self.cfg.max_tgt_len)
        y_in = np.concatenate([np.full((len(idx), 1), BOS, np.int32), y[:, :-1]], 1)
        return x, x_len, y_in, y, y_len

    def batches(self, rng):
        order = rng.permutation(len(self.src))
        bs = self.cfg.batch_size
        for i in range(0, len(order) - bs + 1, bs):
            yield self.make_batch(order[i:i + bs])
