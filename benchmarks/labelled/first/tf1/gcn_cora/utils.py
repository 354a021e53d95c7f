import numpy as np
import scipy.sparse as sp


def normalize_adj(adj):
    adj = sp.coo_matrix(adj)
    rowsum = np.array(adj.sum(1))
    d = np.power(rowsum, -0.5).flatten()  # SAFE: infinities are replaced in the next line
    d[np.isinf(d)] = 0.
    d = sp.diags(d)
    return adj.dot(d).transpose().dot(d).tocoo()


def preprocess_features(features):
    rowsum = np.array(features.sum(1))
    r = 1.0 / np.maximum(rowsum, 1.0).flatten()  # SAFE: maximum with 1
    return np.asarray(sp.diags(r).dot(features).todense(), dtype=np.float32)


def load(path):
    d = np.load(path)
    adj = sp.coo_matrix((np.ones(len(d['edges'])), d['edges'].T), shape=(len(d['x']),) * 2)
    adj = adj + adj.T
    return adj.tocsr(), sp.csr_matrix(d['x']), d['y'], d['train'], d['val'], d['test']
