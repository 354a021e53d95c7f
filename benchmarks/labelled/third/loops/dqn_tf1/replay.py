import numpy as np


class SumTree(object):
    def __init__(self, capacity):
        self.capacity = capacity
        self.tree = np.zeros(2 * capacity - 1)
        self.data = [None] * capacity
        self.pos, self.n = 0, 0

    def add(self, p, item):
        self.data[self.pos] = item
        self.set(self.pos + self.capacity - 1, p)
        self.pos = (self.pos + 1) % self.capacity
        self.n = min(self.n + 1, self.capacity)

    def set(self, i, p):
        change = p - self.tree[i]
        self.tree[i] = p
        while i != 0:
            i = (i - 1) // 2
            self.tree[i] += change

    def get(self, s):
        i = 0
        while 2 * i + 1 < len(self.tree):
            left = 2 * i + 1
            if s <= self.tree[left]:
                i = left
            else:
                s -= self.tree[left]
                i = left + 1
        i = min(i, self.capacity - 1 + self.n - 1)
        return i, self.tree[i], self.data[i - self.capacity + 1]

    @property
    def total(self):
        return self.tree[0]


class PrioritizedReplay(object):
    def __init__(self, capacity, alpha=0.6, beta=0.4, beta_steps=100000, eps=1e-2):
        self.tree = SumTree(capacity)
        self.alpha, self.beta, self.eps = alpha, beta, eps
        self.beta_inc = (1.0 - beta) / beta_steps

    def __len__(self):
        return self.tree.n

    def add(self, item):
        self.tree.add(1.0, item)

    def sample(self, n):
        seg = self.tree.total / n
        idx, pri, items = [], [], []
        for k in range(n):
            i, p, it = self.tree.get(np.random.uniform(k * seg, (k + 1) * seg))
            idx.append(i)
            pri.append(p)
            items.append(it)
        self.beta = min(1.0, self.beta + self.beta_inc)
        prob = np.maximum(np.array(pri), 1e-6) / self.tree.total  # SAFE: the tree is sampled only after warm-up, every stored priority is >= eps ** alpha
        w = (len(self) * prob) ** (-self.beta)  # SAFE: prob > 0 by the maximum above
        w /= w.max()  # SAFE: w is positive and finite
        return idx, items, w.astype(np.float32)

    def update(self, idx, td):
        for i, e in zip(idx, td):
            p = (min(abs(float(e)), 1.0) + self.eps) ** self.alpha
            self.tree.set(i, p)
