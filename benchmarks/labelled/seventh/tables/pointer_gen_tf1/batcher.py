import json
import random

import numpy as np

PAD, UNK, START, STOP = 0, 1, 2, 3


class Vocab(object):

    def __init__(self, path, max_size):
        self.word2id = {'[PAD]': PAD, '[UNK]': UNK, '[START]': START, '[STOP]': STOP}
        with open(path) as fh:
            for line in fh:
                w = line.split()[0]
                if len(self.word2id) >= max_size:
                    break
                self.word2id.setdefault(w, len(self.word2id))

    def id(self, w):
        return self.word2id.get(w, UNK)

    def size(self):
        return len(self.word2id)


class Example(object):

    def __init__(self, article, abstract, vocab, hps):
        words = article.split()[:hps.max_enc] or ['[UNK]']
        self.enc = [vocab.id(w) for w in words]
        self.enc_ext, oovs = [], []
        for w in words:
            i = vocab.id(w)
            if i == UNK:
                if w not in oovs:
                    oovs.append(w)
                i = vocab.size() + oovs.index(w)
            self.enc_ext.append(i)
        self.oovs = oovs
        ab = abstract.split()
        ids = [vocab.id(w) for w in ab]
        ext = [vocab.size() + oovs.index(w) if (i == UNK and w in oovs) else i for w, i in zip(ab, ids)]
        self.dec_in = ([START] + ids)[:hps.max_dec]
        self.target = (ext + [STOP])[:hps.max_dec]


class Batch(object):

    def __init__(self, examples, hps):
        n = len(examples)
        self.enc = np.zeros((n, hps.max_enc), np.int32)
        self.enc_ext = np.zeros((n, hps.max_enc), np.int32)
        self.enc_mask = np.zeros((n, hps.max_enc), np.float32)
        self.dec_in = np.zeros((n, hps.max_dec), np.int32)
        self.target = np.zeros((n, hps.max_dec), np.int32)
        self.dec_mask = np.zeros((n, hps.max_dec), np.float32)
        self.max_oovs = max(len(e.oovs) for e in examples)
        for i, e in enumerate(examples):
            self.enc[i, :len(e.enc)] = e.enc
            self.enc_ext[i, :len(e.enc)] = e.enc_ext
            self.enc_mask[i, :len(e.enc)] = 1
            self.dec_in[i, :len(e.dec_in)] = e.dec_in
            self.target[i, :len(e.target)] = e.target
            self.dec_mask[i, :len(e.target)] = 1


def batches(path, vocab, hps):
    with open(path) as fh:
        examples = [Example(d['article'], d['abstract'], vocab, hps) for d in map(json.loads, fh)]
    while True:
        random.shuffle(examples)
        for i in range(0, len(examples) - hps.batch_size + 1, hps.batch_size):
            yield Batch(examples[i:i + hps.batch_size], hps)
