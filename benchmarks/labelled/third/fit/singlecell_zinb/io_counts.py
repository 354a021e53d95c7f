import numpy as np


def read_mtx(path):
    """Matrix market coordinate file, genes x cells, returned as cells x genes."""
    with open(path) as f:
        line = f.readline()
        while line.startswith("%"):
            line = f.readline()
        genes, cells, _ = (int(v) for v in line.split())
        x = np.zeros((cells, genes), "float32")
        for line in f:
            g, c, v = line.split()
            x[int(c) - 1, int(g) - 1] = float(v)
    return x


def filter_cells(x, min_counts=200):
    return x[x.sum(1) >= max(min_counts, 1)]


def top_variable_genes(x, n):
    mean = x.mean(0)
    disp = x.var(0) / np.maximum(mean, 1e-8)  # SAFE: mean floored
    return np.sort(np.argsort(-disp)[:n])


def size_factors(x):
    total = x.sum(1)
    return total / np.median(total)  # SAFE: filter_cells keeps only cells with at least one count, so the median is positive


def normalize(x, sf, log_input, scale_input):
    y = x / sf[:, None]  # SAFE: every kept cell has counts, so its size factor is positive
    if log_input:
        y = np.log1p(y)  # SAFE: counts are not negative
    if scale_input:
        sd = y.std(0)
        y = (y - y.mean(0)) / np.where(sd > 0, sd, 1.0)  # SAFE: genes without variance are divided by 1
    return y.astype("float32")
