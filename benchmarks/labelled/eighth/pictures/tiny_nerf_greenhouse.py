"""Tiny NeRF of greenhouse plants from turntable photos (numpy .npz: images uint8, poses, focal)."""
import argparse
import os
import time

import numpy as np
import tensorflow as tf


def parse():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("npz")
    p.add_argument("--iters", type=int, default=20000)
    p.add_argument("--rays", type=int, default=1024)
    p.add_argument("--coarse", type=int, default=48)
    p.add_argument("--fine", type=int, default=48)
    p.add_argument("--near", type=float, default=0.4)
    p.add_argument("--far", type=float, default=2.2)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--out", default="nerf_out")
    return p.parse_args()


def all_rays(images, poses, focal):
    n, h, w, _ = images.shape
    jj, ii = np.meshgrid(np.arange(h), np.arange(w), indexing="ij")
    d = np.stack([(ii - w / 2) / focal, -(jj - h / 2) / focal, -np.ones_like(ii, float)], -1)  # SAFE: focal length of a calibrated camera is positive
    dirs = np.einsum("hwc,nrc->nhwr", d, poses[:, :3, :3])
    orig = np.broadcast_to(poses[:, None, None, :3, 3], dirs.shape)
    rgb = images.astype(np.float32) / 255.0
    out = np.concatenate([orig, dirs, rgb], -1).reshape(-1, 9).astype(np.float32)
    return out


def posenc(x, L):
    out = [x]
    for i in range(L):
        out += [tf.sin(2.0 ** i * x), tf.cos(2.0 ** i * x)]  # SAFE: frequencies are at most 2^9
    return tf.concat(out, -1)


class Field(tf.keras.Model):
    def __init__(self, width=128, depth=6, lx=10, ld=4):
        super().__init__()
        self.lx, self.ld = lx, ld
        self.trunk = [tf.keras.layers.Dense(width, activation="relu") for _ in range(depth)]
        self.sigma = tf.keras.layers.Dense(1)
        self.feat = tf.keras.layers.Dense(width)
        self.col1 = tf.keras.layers.Dense(width // 2, activation="relu")
        self.col2 = tf.keras.layers.Dense(3)

    def call(self, x, d):
        e = posenc(x, self.lx)
        h = e
        for i, l in enumerate(self.trunk):
            h = l(h)
            if i == 3:
                h = tf.concat([h, e], -1)
        s = tf.nn.softplus(self.sigma(h) - 1.0)[..., 0]
        c = self.col2(self.col1(tf.concat([self.feat(h), posenc(d, self.ld)], -1)))
        return s, tf.sigmoid(c)


def composite(sigma, rgb, t, dnorm):
    delta = tf.concat([t[:, 1:] - t[:, :-1], tf.fill([tf.shape(t)[0], 1], 1e3)], -1) * dnorm
    alpha = 1.0 - tf.exp(-sigma * delta)  # SAFE: density is a softplus and intervals are not negative
    trans = tf.math.cumprod(1.0 - alpha + 1e-10, axis=-1, exclusive=True)  # SAFE: factors stay positive with the 1e-10 in float32
    w = alpha * trans
    acc = tf.reduce_sum(w, -1)
    depth = tf.reduce_sum(w * t, -1) / tf.maximum(acc, 1e-6)  # SAFE: opacity floored
    color = tf.reduce_sum(w[..., None] * rgb, 1) + (1.0 - acc)[:, None]
    return color, depth, w, acc


def stratified(n, k, near, far):
    edges = tf.linspace(near, far, k + 1)
    u = tf.random.uniform([n, k])
    return edges[:-1] + (edges[1:] - edges[:-1]) * u


def resample(t, w, k):
    """Inverse transform sampling from the coarse weights."""
    mid = 0.5 * (t[:, 1:] + t[:, :-1])
    w = tf.stop_gradient(w[:, 1:-1]) + 1e-5
    pdf = w / tf.reduce_sum(w, -1, keepdims=True)  # SAFE: every weight has 1e-5 added
    cdf = tf.concat([tf.zeros_like(pdf[:, :1]), tf.cumsum(pdf, -1)], -1)
    u = tf.random.uniform([tf.shape(t)[0], k])
    hi = tf.searchsorted(cdf, u, side="right")
    lo = tf.maximum(hi - 1, 0)
    hi = tf.minimum(hi, tf.shape(cdf)[-1] - 1)
    c0, c1 = tf.gather(cdf, lo, batch_dims=1), tf.gather(cdf, hi, batch_dims=1)
    b0, b1 = tf.gather(mid, lo, batch_dims=1), tf.gather(mid, hi, batch_dims=1)
    den = c1 - c0
    den = tf.where(den < 1e-5, tf.ones_like(den), den)
    new = b0 + (u - c0) / den * (b1 - b0)  # SAFE: tiny denominators are replaced by one
    return tf.sort(tf.concat([t, tf.stop_gradient(new)], -1), -1)


def render(nets, rays, a):
    o, d = rays[:, :3], rays[:, 3:6]
    dnorm = tf.norm(d, axis=-1, keepdims=True)  # SAFE: camera rays have a -1 component and are data, not variables
    unit = d / dnorm  # SAFE: ray norm is at least one
    t = stratified(tf.shape(o)[0], a.coarse, a.near, a.far)
    outs = []
    for net, fine in zip(nets, (False, True)):
        if fine:
            t = resample(t, outs[0][2], a.fine)
        k = tf.shape(t)[1]
        pts = o[:, None] + d[:, None] * t[..., None]
        s, c = net(pts, tf.repeat(unit[:, None], k, 1))
        outs.append(composite(s, c, t, dnorm))
    return outs


def opacity_entropy(acc):
    p = tf.clip_by_value(acc, 1e-4, 1.0 - 1e-4)
    return -tf.reduce_mean(p * tf.math.log(p) + (1.0 - p) * tf.math.log(1.0 - p))  # SAFE: clipped to [1e-4, 1-1e-4]


def main():
    a = parse()
    os.makedirs(a.out, exist_ok=True)
    with np.load(a.npz) as z:
        images, poses, focal = z["images"], z["poses"].astype(np.float32), float(z["focal"])
    hold = images[-1:], poses[-1:]
    rays = all_rays(images[:-1], poses[:-1], focal)
    np.random.default_rng(0).shuffle(rays)
    ds = iter(tf.data.Dataset.from_tensor_slices(rays).shuffle(200_000).repeat().batch(a.rays, drop_remainder=True))
    nets = [Field(), Field()]
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.ExponentialDecay(a.lr, 50_000, 0.1), epsilon=1e-7)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            outs = render(nets, batch, a)
            mse = [tf.reduce_mean(tf.square(c - batch[:, 6:])) for c, _, _, _ in outs]
            loss = tf.add_n(mse) + 1e-4 * opacity_entropy(outs[-1][3])
        v = nets[0].trainable_variables + nets[1].trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return mse[-1]

    t0 = time.time()
    for i in range(1, a.iters + 1):
        m = step(next(ds))
        if i % 500 == 0:
            psnr = -10.0 * np.log10(max(float(m), 1e-10))  # SAFE: floored before log10
            r = all_rays(*hold, focal)
            img = np.concatenate([render(nets, r[k:k + 4096], a)[-1][0] for k in range(0, len(r), 4096)])
            hm = np.mean((img - r[:, 6:]) ** 2)
            print(f"{i} psnr {psnr:.2f} held-out {-10 * np.log10(hm + 1e-12):.2f}  {time.time() - t0:.0f}s")  # SAFE: offset in log10
            np.save(os.path.join(a.out, f"view_{i:06d}.npy"), img.reshape(hold[0].shape[1:]))
            for n, tag in zip(nets, ("c", "f")):
                n.save_weights(os.path.join(a.out, f"{tag}.weights.h5"))


if __name__ == "__main__":
    main()
