import numpy as np

N_DENSE, N_CAT = 13, 26


def parse(line, n_hash):
    p = line.rstrip('\n').split('\t')
    y = float(p[0])
    dense = [float(v) if v else 0.0 for v in p[1:1 + N_DENSE]]
    cats = [hash('%d=%s' % (i, c)) % n_hash for i, c in enumerate(p[1 + N_DENSE:1 + N_DENSE + N_CAT])]
    return y, dense, cats


def batches(path, size, n_hash):
    ys, ds, cs = [], [], []
    with open(path) as f:
        for line in f:
            y, d, c = parse(line, n_hash)
            ys.append(y)
            ds.append(d)
            cs.append(c)
            if len(ys) == size:
                yield np.array(ys, np.float32), transform(np.array(ds)), np.array(cs)
                ys, ds, cs = [], [], []
    if ys:
        yield np.array(ys, np.float32), transform(np.array(ds)), np.array(cs)


def transform(d):
    # heavy tails: log of the counts
    return np.log(d + 1).astype(np.float32)  # BUG: domain, integer column 2 of Criteo goes down to -3, log of 0 or negative is fed


def auc(y, p):
    o = np.argsort(p)
    r = np.empty(len(p))
    r[o] = np.arange(1, len(p) + 1)
    n1 = y.sum()
    n0 = len(y) - n1
    if n1 == 0 or n0 == 0:
        return 0.5
    return (r[y == 1].sum() - n1 * (n1 + 1) / 2.0) / (n0 * n1)  # SAFE: both classes present after the if, metric
