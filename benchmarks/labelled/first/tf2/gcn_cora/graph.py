import numpy as np
import scipy.sparse as sp
import tensorflow as tf


def load_cora(root):
    raw = np.genfromtxt(root + "/cora.content", dtype=str)
    x = raw[:, 1:-1].astype("float32")
    names = {n: i for i, n in enumerate(raw[:, 0])}
    lab = np.unique(raw[:, -1], return_inverse=True)[1]
    e = np.array([[names[a], names[b]] for a, b in np.genfromtxt(root + "/cora.cites", dtype=str) if a in names and b in names])
    A = sp.coo_matrix((np.ones(len(e)), (e[:, 0], e[:, 1])), shape=(len(x),) * 2)
    A = A.maximum(A.T)
    return x, lab, A


def row_normalise(x):
    return x / np.maximum(x.sum(1, keepdims=True), 1.0)  # SAFE: maximum with 1


def sym_norm(A):
    A = A + sp.eye(A.shape[0])
    d = np.asarray(A.sum(1)).ravel()
    D = sp.diags(np.power(d, -0.5))  # SAFE: self loops added, every degree is at least 1
    return (D @ A @ D).tocoo()


def sym_norm_noloop(A):
    d = np.asarray(A.sum(1)).ravel()
    D = sp.diags(np.power(d, -0.5))  # BUG: div-zero, a random edge drop (see train) leaves nodes without edges, 0**-0.5 is inf and inf*0 NaN
    return (D @ A @ D).tocoo()


def sym_norm_masked(A):
    d = np.asarray(A.sum(1)).ravel()
    inv = np.power(np.where(d > 0, d, 1.0), -0.5)  # SAFE: zeros replaced by one before the power
    inv[d == 0] = 0.0
    D = sp.diags(inv)
    return (D @ A @ D).tocoo()


def drop_edges(A, p, rng):
    keep = rng.random(A.nnz) > p
    A = A.tocoo()
    return sp.coo_matrix((A.data[keep], (A.row[keep], A.col[keep])), shape=A.shape)


def to_tf(M):
    return tf.sparse.reorder(tf.SparseTensor(np.stack([M.row, M.col], 1), M.data.astype("float32"), M.shape))
