import numpy as np
import scipy.sparse as sp


def load_cora(content, cites):
    rows = np.genfromtxt(content, dtype=str)
    feats = sp.csr_matrix(rows[:, 1:-1].astype(np.float32))
    names = sorted(set(rows[:, -1]))
    labels = np.eye(len(names), dtype=np.float32)[[names.index(c) for c in rows[:, -1]]]
    index = {n: i for i, n in enumerate(rows[:, 0])}
    edges = np.array([[index[a], index[b]] for a, b in np.genfromtxt(cites, dtype=str)
                      if a in index and b in index])
    n = len(rows)
    adj = sp.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    adj = adj.maximum(adj.T)
    return feats, labels, adj


def preprocess_features(features):
    """Row-normalise the bag of words."""
    rowsum = np.array(features.sum(1)).flatten()
    with np.errstate(divide="ignore"):
        r_inv = np.power(rowsum, -1.0)  # SAFE: rows without words give Inf here and are set to 0 in the next line
    r_inv[np.isinf(r_inv)] = 0.0
    return sp.diags(r_inv).dot(features)


def normalize_adj(adj):
    adj = sp.coo_matrix(adj)
    rowsum = np.array(adj.sum(1)).flatten()
    with np.errstate(divide="ignore"):
        d = np.power(rowsum, -0.5)  # SAFE: isolated nodes give Inf and are set to 0 in the next line
    d[np.isinf(d)] = 0.0
    m = sp.diags(d)
    return m.dot(adj).dot(m).tocoo()


def preprocess_adj(adj):
    return normalize_adj(adj + sp.eye(adj.shape[0]))


def to_tuple(m):
    m = m.tocoo()
    return np.stack([m.row, m.col], 1).astype(np.int64), m.data.astype(np.float32), m.shape


def masks(labels, per_class=20, n_val=500, seed=0):
    rng = np.random.RandomState(seed)
    y = labels.argmax(1)
    train = np.zeros(len(y), bool)
    for c in range(labels.shape[1]):
        idx = rng.permutation(np.flatnonzero(y == c))[:per_class]
        train[idx] = True
    rest = rng.permutation(np.flatnonzero(~train))
    val, test = np.zeros(len(y), bool), np.zeros(len(y), bool)
    val[rest[:n_val]] = True
    test[rest[n_val:]] = True
    return train, val, test
