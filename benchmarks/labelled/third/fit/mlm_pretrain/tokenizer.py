import collections
import json
import re

PAD, UNK, CLS, SEP, MASK = range(5)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_word = re.compile(r"\w+|[^\w\s]")


class WordTokenizer:
    def __init__(self, vocab):
        self.vocab = vocab
        self.index = {w: i for i, w in enumerate(vocab)}

    @classmethod
    def train(cls, lines, size):
        counts = collections.Counter(w for l in lines for w in _word.findall(l.lower()))
        return cls(SPECIAL + [w for w, _ in counts.most_common(size - len(SPECIAL))])

    @classmethod
    def load(cls, path):
        with open(path) as f:
            return cls(json.load(f))

    def save(self, path):
        with open(path, "w") as f:
            json.dump(self.vocab, f)

    def encode(self, text, length):
        ids = [self.index.get(w, UNK) for w in _word.findall(text.lower())][: length - 2]
        ids = [CLS] + ids + [SEP]
        return ids + [PAD] * (length - len(ids))
