import math
import re
import numpy as np

CHARS = "abcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%"
MAXLEN = 120


def shannon(s):
    n = len(s)
    if n == 0:
        return 0.0
    c = {ch: s.count(ch) for ch in set(s)}
    return -sum(v / n * math.log2(v / n) for v in c.values())  # SAFE: only characters that occur are counted, n > 0 here


def handcrafted(url):
    host = re.sub(r"^\w+://", "", url).split("/")[0]
    digits = sum(ch.isdigit() for ch in url)
    return [shannon(url) / 6.0, shannon(host) / 6.0, len(url) / 200.0, digits / max(len(url), 1), host.count(".") / 5.0]  # SAFE: length floored at one


def encode(url):
    ids = [CHARS.find(c) + 2 for c in url.lower()[:MAXLEN]]
    return ids + [0] * (MAXLEN - len(ids))


def load(path):
    """Lines of `label<TAB>url`; phishing is 1, benign -1."""
    xs, hs, ys = [], [], []
    with open(path) as f:
        for line in f:
            lab, url = line.rstrip("\n").split("\t", 1)
            xs.append(encode(url))
            hs.append(handcrafted(url))
            ys.append(1.0 if lab == "phish" else -1.0)
    return np.array(xs, "int32"), np.array(hs, "float32"), np.array(ys, "float32")


def balance(y):
    pos = (y > 0).sum()
    neg = len(y) - pos
    w = np.where(y > 0, len(y) / (2.0 * max(pos, 1)), len(y) / (2.0 * max(neg, 1)))  # SAFE: both class counts floored at one
    return w.astype("float32")
