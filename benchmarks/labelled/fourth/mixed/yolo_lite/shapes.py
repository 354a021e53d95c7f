"""Synthetic detection data: rectangles on noise, boxes as relative cx, cy, w, h."""
import numpy as np


def draw(cfg, rng):
    n = cfg.image
    img = rng.normal(0.5, 0.05, (n, n, 3)).astype(np.float32)
    boxes = []
    for _ in range(rng.integers(0, 4)):
        w, h = rng.integers(6, n // 2, 2)
        x, y = rng.integers(0, n - w), rng.integers(0, n - h)
        c = int(rng.integers(cfg.classes))
        img[y:y + h, x:x + w, c % 3] = 0.2 * c
        boxes.append(((x + w / 2) / n, (y + h / 2) / n, w / n, h / n, c))
    return np.clip(img, 0, 1), boxes


def encode(cfg, boxes):
    s = cfg.grid
    t = np.zeros((s, s, 5 + cfg.classes), np.float32)
    for cx, cy, w, h, c in boxes:
        i, j = min(int(cy * s), s - 1), min(int(cx * s), s - 1)
        t[i, j, :5] = cx * s - j, cy * s - i, w, h, 1.0
        t[i, j, 5:] = 0.0
        t[i, j, 5 + c] = 1.0
    return t


def batch(cfg, rng):
    imgs, targets = zip(*[(im, encode(cfg, b)) for im, b in (draw(cfg, rng) for _ in range(cfg.batch))])
    return np.stack(imgs), np.stack(targets)
