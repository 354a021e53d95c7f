import numpy as np


class StrokeLoader(object):
    """Sequences of pen offsets (dx, dy, end of stroke)."""

    def __init__(self, path, window, batch_size, scale, limit=500):
        self.window, self.batch_size = window, batch_size
        with np.load(path, allow_pickle=True) as z:
            raw = z['strokes']
        self.strokes = []
        for s in raw:
            s = np.asarray(s, dtype=np.float32).copy()
            s[:, :2] = np.clip(s[:, :2], -limit, limit)
            s[:, :2] /= scale  # SAFE: the scale is the constant 20 of the parser
            if len(s) > window + 1:
                self.strokes.append(s)
        self.num_batches = max(1, int(sum(len(s) for s in self.strokes) / batch_size))  # SAFE: batch_size is 100
        self.rng = np.random.RandomState(3)

    def next_batch(self):
        x, y = [], []
        for _ in range(self.batch_size):
            s = self.strokes[self.rng.randint(len(self.strokes))]
            k = self.rng.randint(len(s) - self.window)
            x.append(s[k:k + self.window].ravel())
            y.append(s[k + self.window])
        return np.array(x), np.array(y)

    def offset_std(self):
        alls = np.concatenate([s[:, :2] for s in self.strokes])
        return alls.std(0) + 1e-6
