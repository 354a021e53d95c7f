import numpy as np


def read(path, sep="::"):
    """user, item, stars, unix time"""
    rows = []
    with open(path, encoding="latin-1") as fh:
        for line in fh:
            u, i, r, t = line.strip().split(sep)
            rows.append((int(u), int(i), float(r), int(t)))
    a = np.array(rows, np.float64)
    users, u = np.unique(a[:, 0], return_inverse=True)
    items, i = np.unique(a[:, 1], return_inverse=True)
    return u.astype(np.int32), i.astype(np.int32), a[:, 2].astype(np.float32), a[:, 3]


def chronological_split(u, i, r, t, frac=0.9):
    order = np.argsort(t, kind="stable")
    cut = int(len(order) * frac)
    pick = lambda k: (u[k], i[k], r[k])
    return pick(order[:cut]), pick(order[cut:])


def damped_means(idx, r, n, mean, damping=10.0):
    s = np.bincount(idx, weights=r - mean, minlength=n)
    c = np.bincount(idx, minlength=n)
    return (s / (c + damping)).astype(np.float32)  # SAFE: a damping of ten ratings is added


def sample_weights(t):
    age = (t.max() - t) / max(t.max() - t.min(), 1.0)  # SAFE: floor of one second
    return np.exp(-2.0 * age).astype(np.float32)  # SAFE: ages lie between zero and one


def rmse(p, r):
    return float(np.sqrt(np.mean((p - r) ** 2)))  # SAFE: numpy, evaluation only


def ndcg(p, u, r, k=10):
    out = []
    for user in np.unique(u):
        m = u == user
        gain = 2.0 ** r[m] - 1.0
        disc = 1.0 / np.log2(np.arange(2, m.sum() + 2))  # SAFE: the logarithm starts at log2 of two
        best = (np.sort(gain)[::-1][:k] * disc[:k]).sum()
        got = (gain[np.argsort(-p[m])][:k] * disc[:k]).sum()
        out.append(got / best if best > 0 else 0.0)  # SAFE: the ideal gain is checked
    return float(np.mean(out))
