"""Builds the stop graph of a city bus network."""
import os

import numpy as np
import pandas as pd

EARTH = 6371.0


def haversine(lat1, lon1, lat2, lon2):
    p1, p2 = np.radians(lat1), np.radians(lat2)
    dp, dl = p2 - p1, np.radians(lon2 - lon1)
    a = np.sin(dp / 2) ** 2 + np.cos(p1) * np.cos(p2) * np.sin(dl / 2) ** 2
    return 2 * EARTH * np.arcsin(np.sqrt(np.clip(a, 0.0, 1.0)))  # SAFE: argument clipped to [0,1], numpy without gradient


class StopGraph:
    def __init__(self, root, cfg):
        g, d = cfg["graph"], cfg["data"]
        stops = pd.read_csv(os.path.join(root, d["stops"])).sort_values("stop_id").reset_index(drop=True)
        edges = pd.read_csv(os.path.join(root, d["edges"]))
        demand = pd.read_csv(os.path.join(root, d["demand"])).set_index("stop_id")
        idx = {s: i for i, s in enumerate(stops.stop_id)}
        s = edges["from_stop"].map(idx).to_numpy()
        t = edges["to_stop"].map(idx).to_numpy()
        km = haversine(stops.lat.to_numpy()[s], stops.lon.to_numpy()[s], stops.lat.to_numpy()[t], stops.lon.to_numpy()[t])
        keep = km <= g["max_km"]
        s, t, km = s[keep], t[keep], km[keep]
        w = np.exp(-(km / 0.8) ** 2)  # SAFE: Gaussian kernel, exponent never positive
        if g["symmetric"]:
            s, t, w = np.r_[s, t], np.r_[t, s], np.r_[w, w]
        n = len(stops)
        if g["self_loops"]:
            s, t, w = np.r_[s, np.arange(n)], np.r_[t, np.arange(n)], np.r_[w, np.ones(n)]
        self.n, self.src, self.dst = n, s.astype(np.int64), t.astype(np.int64)
        self.weight = self.normalise(w)
        self.x = self.features(stops)
        y = demand.reindex(stops.stop_id)["boardings"].to_numpy(np.float64)
        self.known = np.isfinite(y)
        self.y = np.log1p(np.where(self.known, y, 0.0)).astype(np.float32)  # SAFE: boardings are counts, unknown ones set to 0

    def normalise(self, w):
        deg = np.bincount(self.dst, weights=w, minlength=self.n)
        inv = 1.0 / np.sqrt(deg)  # BUG: div-zero, self loops are off by default so a terminus that only has outgoing edges has degree 0
        return (w * inv[self.src] * inv[self.dst]).astype(np.float32)

    def features(self, stops):
        num = stops[["lat", "lon", "shops", "jobs", "pop"]].to_numpy(np.float64)
        num[:, 2:] = np.log1p(np.clip(num[:, 2:], 0, None))  # SAFE: counts clipped at zero before log1p
        mu, sd = num.mean(0), num.std(0)
        num = (num - mu) / np.where(sd > 1e-9, sd, 1.0)  # SAFE: constant columns divide by one
        kind = pd.get_dummies(stops["kind"]).to_numpy(np.float64)
        return np.concatenate([num, kind], 1).astype(np.float32)

    def split(self, seed=1):
        rng = np.random.default_rng(seed)
        idx = np.flatnonzero(self.known)
        rng.shuffle(idx)
        a, b = int(0.6 * len(idx)), int(0.8 * len(idx))
        return idx[:a], idx[a:b], idx[b:]
