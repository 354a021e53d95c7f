import numpy as np


def load_interactions(path):
    """user \t item \t rating \t timestamp (ML-100k u.data)."""
    raw = np.loadtxt(path, dtype=np.int64)
    users, u = np.unique(raw[:, 0], return_inverse=True)
    items, i = np.unique(raw[:, 1], return_inverse=True)
    return u, i, raw[:, 2].astype("float32"), raw[:, 3], len(users), len(items)


def leave_last_out(u, i, ts, n_users):
    last = {}
    for k in np.argsort(ts):
        last[u[k]] = k
    test = np.zeros(len(u), bool)
    test[list(last.values())] = True
    return ~test, test


def popularity(i, n_items, power=0.75):
    c = np.bincount(i, minlength=n_items).astype("float64")
    p = np.power(c, power)
    return p / p.sum()  # SAFE: there is at least one interaction, the ids come from np.unique of the same array


def propensity(i, n_items):
    c = np.bincount(i, minlength=n_items)
    return np.power(np.maximum(c, 1) / max(c.max(), 1), 0.5).astype("float32")  # SAFE: counts and maximum floored at one


class TripletSampler:
    def __init__(self, u, i, n_users, n_items, probs, batch=1024, seed=0):
        self.u, self.i, self.n_items, self.probs = u, i, n_items, probs
        self.batch = batch
        self.rng = np.random.default_rng(seed)
        self.seen = [set() for _ in range(n_users)]
        for a, b in zip(u, i):
            self.seen[a].add(b)

    def __iter__(self):
        order = self.rng.permutation(len(self.u))
        for s in range(0, len(order), self.batch):
            k = order[s:s + self.batch]
            neg = self.rng.choice(self.n_items, size=len(k), p=self.probs)
            for j, (a, n) in enumerate(zip(self.u[k], neg)):
                while n in self.seen[a]:
                    n = self.rng.integers(self.n_items)
                neg[j] = n
            yield self.u[k].astype("int32"), self.i[k].astype("int32"), neg.astype("int32")
