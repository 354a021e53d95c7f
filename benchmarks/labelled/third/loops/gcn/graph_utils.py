import numpy as np


def read_edges(path):
    return np.loadtxt(path, dtype=np.int64).reshape(-1, 2)


def adjacency(edges, n_nodes):
    a = np.zeros((n_nodes, n_nodes), np.float32)
    a[edges[:, 0], edges[:, 1]] = 1.0
    a[edges[:, 1], edges[:, 0]] = 1.0
    np.fill_diagonal(a, 0.0)
    return a


def sym_normalize(a):
    deg = a.sum(1)
    d_inv = np.power(deg, -0.5)  # BUG: div-zero, train has no self loops unless --self-loops is given, nodes without an edge have degree 0 and inf * 0 is NaN
    return d_inv[:, None] * a * d_inv[None, :]


def propagation_matrix(edges, n_nodes, self_loops):
    a = adjacency(edges, n_nodes)
    if self_loops:
        a += np.eye(n_nodes, dtype=np.float32)
    return sym_normalize(a)


def feature_similarity(x):
    """cosine graph, used by the notebook for plots"""
    norm = np.sqrt((x ** 2).sum(1, keepdims=True))
    x = x / np.maximum(norm, 1e-8)  # SAFE: the divisor is at least 1e-8
    return x @ x.T


def row_normalize(x):
    s = np.asarray(x.sum(1)).ravel()
    inv = np.divide(1.0, s, out=np.zeros_like(s, dtype=np.float32), where=s != 0)  # SAFE: rows with sum 0 are skipped by where=
    return x * inv[:, None]


def split_masks(n, train=0.1, val=0.1, seed=0):
    order = np.random.RandomState(seed).permutation(n)
    a, b = max(int(n * train), 1), max(int(n * val), 1)
    masks = [np.zeros(n, np.float32) for _ in range(3)]
    masks[0][order[:a]] = 1
    masks[1][order[a:a + b]] = 1
    masks[2][order[a + b:]] = 1
    return masks
