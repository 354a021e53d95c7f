import numpy as np


class Events:
    """Columns: user, item, timestamp (seconds), watch time (seconds), item length (seconds)."""

    def __init__(self, path, cfg):
        with np.load(path) as z:
            self.user, self.item = z["user"], z["item"]
            self.ts, self.watched, self.length = z["ts"], z["watched"], z["length"]
            self.genres = z["genres"].astype(np.float32)
        self.cfg = cfg
        self.order = np.argsort(self.ts, kind="stable")
        self.history = self._histories()

    def _histories(self):
        n, m = len(self.user), self.cfg.max_history
        hist, last = np.zeros((n, m), np.int32), {}
        for k in self.order:
            past = last.setdefault(int(self.user[k]), [])
            hist[k, :len(past)] = past
            past.append(int(self.item[k]) + 1)
            del past[:-m]
        return hist

    def completion(self):
        ratio = self.watched / np.maximum(self.length, 1.0)  # SAFE: floor of one second
        return np.clip(ratio, 0.0, 1.0).astype(np.float32)

    def recency(self):
        age = (self.ts.max() - self.ts) / 86400.0  # SAFE: seconds per day
        return np.exp(-age * np.log(2.0) / self.cfg.half_life_days).astype(np.float32)  # SAFE: ages are not negative and the half life is asserted

    def log_popularity(self):
        count = np.bincount(self.item, minlength=self.cfg.n_items) + 1.0
        return np.log(count / count.sum()).astype(np.float32)  # SAFE: every count is at least one

    def split(self, frac=0.95):
        cut = int(frac * len(self.order))
        return self.order[:cut], self.order[cut:]

    def genre_profile(self):
        g = self.genres
        return g / np.maximum(g.sum(1, keepdims=True), 1.0)  # SAFE: items without a genre divide by one
