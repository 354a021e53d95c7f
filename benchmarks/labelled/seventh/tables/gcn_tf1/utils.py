import numpy as np


def load_graph(path):
    """npz with edges [E, 2], features [N, F], labels [N], split ids"""
    with np.load(path) as z:
        n = z["features"].shape[0]
        adj = np.zeros((n, n), dtype=np.float32)
        e = z["edges"]
        adj[e[:, 0], e[:, 1]] = 1.0
        adj = np.maximum(adj, adj.T)
        labels = np.eye(z["labels"].max() + 1, dtype=np.float32)[z["labels"]]
        masks = [sample_mask(z[k], n) for k in ("train", "val", "test")]
        return adj, z["features"].astype(np.float32), labels, masks


def sample_mask(idx, length):
    if len(idx) == 0:
        raise ValueError("a split needs at least one node")
    mask = np.zeros(length, dtype=np.float32)
    mask[idx] = 1
    return mask


def preprocess_features(features):
    rowsum = features.sum(1)
    with np.errstate(divide="ignore"):
        r_inv = np.power(rowsum, -1.0)  # SAFE: infinities of empty rows are replaced in the next line
    r_inv[np.isinf(r_inv)] = 0.
    return features * r_inv[:, None]


def normalize_adj(adj):
    rowsum = adj.sum(1)
    with np.errstate(divide="ignore"):
        d = np.power(rowsum, -0.5)  # SAFE: infinities of isolated nodes are replaced in the next line
    d[np.isinf(d)] = 0.
    return adj * d[:, None] * d[None, :]


def renormalize(adj):
    return normalize_adj(adj + np.eye(adj.shape[0], dtype=adj.dtype))


def chebyshev_polynomials(adj, k, eig_max=None):
    n = adj.shape[0]
    lap = np.eye(n, dtype=np.float32) - normalize_adj(adj)
    if eig_max is None:
        eig_max = max(float(np.linalg.eigvalsh(lap)[-1]), 1e-3)
    scaled = (2. / eig_max) * lap - np.eye(n, dtype=np.float32)  # SAFE: eig_max has a floor
    t = [np.eye(n, dtype=np.float32), scaled]
    for _ in range(2, k + 1):
        t.append(2 * scaled.dot(t[-1]) - t[-2])
    return t[:k + 1]
