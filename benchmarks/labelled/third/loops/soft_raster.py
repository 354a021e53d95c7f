"""Silhouette fitting with a soft rasteriser (2-D polygon vertices + colour), NumPy-free inner loop."""
import argparse
import pathlib

import numpy as np
import tensorflow as tf

EPS = 1e-8


def pixel_grid(h, w):
    y, x = tf.meshgrid(tf.linspace(-1.0, 1.0, h), tf.linspace(-1.0, 1.0, w), indexing="ij")
    return tf.reshape(tf.stack([x, y], -1), (-1, 2))


def segment_distance_sq(p, a, b):
    """squared distance of points p [N, 2] to segments a-b [M, 2] -> [N, M]"""
    ab = b - a
    ap = p[:, None] - a[None]
    denom = tf.maximum(tf.reduce_sum(tf.square(ab), -1), EPS)
    t = tf.clip_by_value(tf.reduce_sum(ap * ab[None], -1) / denom[None], 0.0, 1.0)  # SAFE: divisor is at least 1e-8, a collapsed edge gives t = 0
    foot = a[None] + t[..., None] * ab[None]
    return tf.reduce_sum(tf.square(p[:, None] - foot), -1)


def winding(p, a, b):
    va, vb = a[None] - p[:, None], b[None] - p[:, None]
    cross = va[..., 0] * vb[..., 1] - va[..., 1] * vb[..., 0]
    dot = tf.reduce_sum(va * vb, -1)
    return tf.reduce_sum(tf.atan2(cross, dot), -1) / (2 * np.pi)  # SAFE: used only through the sign after stop_gradient


class SoftPolygon(tf.Module):
    def __init__(self, n, sigma, radius=0.5):
        super().__init__()
        t = np.linspace(0, 2 * np.pi, n, endpoint=False)
        self.v = tf.Variable(np.stack([radius * np.cos(t), radius * np.sin(t)], 1), dtype=tf.float32)
        self.color_logit = tf.Variable(tf.zeros(3))
        self.sigma = sigma

    def coverage(self, grid):
        a, b = self.v, tf.roll(self.v, -1, axis=0)
        d2 = tf.reduce_min(segment_distance_sq(grid, a, b), -1)
        inside = tf.stop_gradient(tf.where(tf.abs(winding(grid, a, b)) > 0.5, 1.0, -1.0))
        dist = tf.sqrt(d2 + EPS)  # SAFE: 1e-8 inside the root, pixels on an edge have a finite gradient
        return tf.sigmoid(inside * dist / self.sigma)  # SAFE: sigma comes from schedule() and is at least 1e-3

    def render(self, grid):
        c = self.coverage(grid)[:, None]
        rgb = tf.sigmoid(self.color_logit)[None]
        return c * rgb + (1.0 - c)

    def edge_lengths(self):
        e = tf.roll(self.v, -1, axis=0) - self.v
        return tf.sqrt(tf.reduce_sum(tf.square(e), -1) + EPS)  # SAFE: epsilon inside the root


def smoothness(poly):
    e = tf.roll(poly.v, -1, axis=0) - poly.v
    u = tf.math.l2_normalize(e, axis=-1)  # SAFE: l2_normalize has its own epsilon of 1e-12 under the root
    cos = tf.reduce_sum(u * tf.roll(u, -1, axis=0), -1)
    ang = tf.acos(tf.clip_by_value(cos, -0.9999, 0.9999))  # SAFE: clipped inside the open domain
    return tf.reduce_mean(tf.square(ang))


def soft_iou(cov, mask):
    inter = tf.reduce_sum(cov * mask)
    union = tf.reduce_sum(cov + mask - cov * mask)
    return inter / (union + 1e-6)  # SAFE: union >= 0


def mask_bce(cov, mask):
    c = tf.clip_by_value(cov, 1e-5, 1.0 - 1e-5)
    return -tf.reduce_mean(mask * tf.math.log(c) + (1.0 - mask) * tf.math.log(1.0 - c))  # SAFE: clipped to [1e-5, 1 - 1e-5], both ends are visible in float32


def schedule(it, total, start=0.1, end=5e-3):
    f = it / max(total - 1, 1)  # SAFE: max(.., 1)
    return max(start * (end / start) ** f, 1e-3)  # SAFE: constants


def make_step(poly, grid, image, mask, opt_v, opt_c, lam):
    sigma = tf.Variable(poly.sigma, trainable=False, dtype=tf.float32)
    poly.sigma = sigma

    @tf.function
    def step():
        with tf.GradientTape(persistent=True) as tape:
            cov = poly.coverage(grid)
            fit = mask_bce(cov, mask) + 1.0 - soft_iou(cov, mask)
            lens = poly.edge_lengths()
            spread = tf.math.reduce_variance(lens / tf.reduce_mean(lens))  # SAFE: every length is at least sqrt(1e-8)
            shape_loss = fit + lam * (smoothness(poly) + spread)
            color_loss = tf.reduce_mean(tf.square(poly.render(grid) - image))
        gv = tape.gradient(shape_loss, [poly.v])
        gc = tape.gradient(color_loss, [poly.color_logit])
        opt_v.apply_gradients(zip(gv, [poly.v]))
        opt_c.apply_gradients(zip(gc, [poly.color_logit]))
        return fit, color_loss
    return step, sigma


def load_target(path, size):
    raw = tf.io.decode_png(tf.io.read_file(path), channels=4)
    img = tf.image.resize(tf.cast(raw, tf.float32) / 255.0, (size, size))  # SAFE: constant divisor
    a = img[..., 3:]
    rgb = img[..., :3] * a + (1.0 - a)
    return tf.reshape(rgb, (-1, 3)), tf.cast(tf.reshape(a, (-1,)) > 0.5, tf.float32)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("png", type=pathlib.Path)
    ap.add_argument("--size", type=int, default=64)
    ap.add_argument("--vertices", type=int, default=48)
    ap.add_argument("--iters", type=int, default=1500)
    ap.add_argument("--lam", type=float, default=1e-2)
    a = ap.parse_args()
    image, mask = load_target(str(a.png), a.size)
    grid = pixel_grid(a.size, a.size)
    poly = SoftPolygon(a.vertices, schedule(0, a.iters))
    step, sigma = make_step(poly, grid, image, mask, tf.keras.optimizers.Adam(3e-3), tf.keras.optimizers.Adam(5e-2), a.lam)
    for it in range(a.iters):
        sigma.assign(schedule(it, a.iters))
        fit, col = step()
        if it % 100 == 0:
            print(it, float(fit), float(col))
    np.save(a.png.with_suffix(".npy"), poly.v.numpy())


if __name__ == "__main__":
    main()
