"""Click stream export: one json line per session, epoch milliseconds."""
import json

import numpy as np


def read_sessions(path, min_len=3, max_len=64):
    out = []
    with open(path) as f:
        for line in f:
            s = json.loads(line)
            t = np.asarray(s["ts_ms"], np.int64)
            order = np.argsort(t, kind="stable")
            t, k = t[order], np.asarray(s["page"], np.int32)[order]
            keep = np.concatenate([[True], np.diff(t) > 0])
            t, k = t[keep], k[keep]
            if len(t) >= min_len:
                out.append((t[:max_len], k[:max_len]))
    return out


def pad(sessions, max_len=64):
    n = len(sessions)
    t = np.zeros((n, max_len), np.int64)
    k = np.zeros((n, max_len), np.int32)
    m = np.zeros((n, max_len), np.float32)
    for i, (a, b) in enumerate(sessions):
        t[i, :len(a)] = a
        t[i, len(a):] = a[-1] + 1000 * (1 + np.arange(max_len - len(a)))
        k[i, :len(b)] = b
        m[i, :len(a)] = 1.0
    return t, k, m


def page_prior(k, m, n_pages):
    c = np.bincount(k[m > 0], minlength=n_pages).astype(np.float64)
    return np.log((c + 1.0) / (c.sum() + n_pages)).astype(np.float32)  # SAFE: add-one smoothing, every count is at least 1
