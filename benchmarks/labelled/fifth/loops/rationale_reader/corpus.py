"""Reviews with token-level human highlights (jsonl: text, label, spans)."""
import json

import numpy as np


class Corpus:
    def __init__(self, rows, max_len=64, vocab=None):
        self.vocab = vocab if vocab is not None else {"<pad>": 0, "<unk>": 1}
        grow = vocab is None
        n = len(rows)
        self.ids = np.zeros((n, max_len), np.int32)
        self.rat = np.zeros((n, max_len), np.float32)
        self.y = np.zeros(n, np.int32)
        for i, r in enumerate(rows):
            words = r["text"].lower().split()[:max_len] or ["<unk>"]
            for j, w in enumerate(words):
                if grow:
                    self.vocab.setdefault(w, len(self.vocab))
                self.ids[i, j] = self.vocab.get(w, 1)
            for a, b in r.get("spans", []):
                self.rat[i, a:min(b, len(words))] = 1.0
            self.y[i] = r["label"]

    @classmethod
    def read(cls, path, vocab=None):
        with open(path) as f:
            return cls([json.loads(l) for l in f], vocab=vocab)

    def target_attention(self):
        """Highlights as a distribution over tokens; uniform over the text without highlights."""
        mask = (self.ids > 0).astype(np.float32)
        total = self.rat.sum(1, keepdims=True)
        uni = mask / np.maximum(mask.sum(1, keepdims=True), 1.0)  # SAFE: number of tokens floored at 1
        return np.where(total > 0, self.rat / np.maximum(total, 1.0), uni).astype(np.float32)  # SAFE: the divisor is a count floored at 1

    def class_weights(self, classes):
        c = np.bincount(self.y, minlength=classes)
        return (len(self.y) / (classes * np.maximum(c, 1))).astype(np.float32)  # SAFE: class counts floored at 1
