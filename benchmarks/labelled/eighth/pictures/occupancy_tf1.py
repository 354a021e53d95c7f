"""Occupancy network for chair scans, graph mode (compat.v1) with MetricsHook style loop.

shapes/<id>.npz: cloud [2048,3], pts [P,3], occ uint8 [P]
"""
import argparse
import glob
import os
import time

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def read_shape(path):
    with np.load(path) as z:
        c, p, o = z["cloud"].astype(np.float32), z["pts"].astype(np.float32), z["occ"].astype(np.float32)
    lo, hi = c.min(0), c.max(0)
    size = max(float((hi - lo).max()), 1e-3)
    mid = (lo + hi) / 2
    return (c - mid) / size, (p - mid) / size, o  # SAFE: extent floored at one millimetre


class Feeder:
    def __init__(self, folder, batch, n_cloud, n_pts, seed):
        self.shapes = [read_shape(f) for f in sorted(glob.glob(os.path.join(folder, "*.npz")))]
        self.batch, self.nc, self.np_ = batch, n_cloud, n_pts
        self.rng = np.random.RandomState(seed)

    def next(self):
        C, P, O = [], [], []
        for i in self.rng.randint(len(self.shapes), size=self.batch):
            c, p, o = self.shapes[i]
            C.append(c[self.rng.choice(len(c), self.nc)] + 0.005 * self.rng.randn(self.nc, 3))
            inside, outside = np.flatnonzero(o > 0), np.flatnonzero(o == 0)
            k = self.np_ // 2
            a = self.rng.choice(inside if len(inside) else outside, k)
            b = self.rng.choice(outside if len(outside) else inside, self.np_ - k)
            j = np.r_[a, b]
            P.append(p[j])
            O.append(o[j])
        return np.stack(C), np.stack(P), np.stack(O)


def dense(x, units, name, act=tf.nn.relu, init=None):
    with tf.variable_scope(name):
        fan = int(x.shape[-1])
        w = tf.get_variable("w", [fan, units], initializer=init or tf.random_normal_initializer(stddev=(2.0 / fan) ** 0.5))  # SAFE: fan-in is positive
        b = tf.get_variable("b", [units], initializer=tf.zeros_initializer())
        y = tf.tensordot(x, w, 1) + b
        return act(y) if act else y


def cond_norm(x, code, name):
    """Conditional normalisation over the points of a shape."""
    with tf.variable_scope(name):
        m, v = tf.nn.moments(x, [1], keep_dims=True)
        ch = int(x.shape[-1])
        gamma = dense(code, ch, "gamma", act=None, init=tf.zeros_initializer())[:, None] + 1.0  # SAFE: zero kernel with an offset of one, scale starts at identity
        beta = dense(code, ch, "beta", act=None, init=tf.zeros_initializer())[:, None]
        return gamma * (x - m) / tf.sqrt(v + 1e-5) + beta  # SAFE: dead channels have zero variance, offset under the root


def encode(cloud):
    h = dense(cloud, 64, "e1")
    h = dense(h, 128, "e2")
    pooled = tf.tile(tf.reduce_max(h, 1, keepdims=True), [1, tf.shape(h)[1], 1])
    h = dense(tf.concat([h, pooled], 2), 128, "e3")
    return dense(tf.reduce_max(h, 1), 128, "code", act=None)


def decode(pts, code):
    h = dense(pts, 128, "d0", act=None)
    for i in range(4):
        r = dense(tf.nn.relu(cond_norm(h, code, "n%da" % i)), 128, "d%da" % i, act=None)
        r = dense(tf.nn.relu(cond_norm(r, code, "n%db" % i)), 128, "d%db" % i, act=None, init=tf.zeros_initializer())  # SAFE: zero residual branch next to an identity shortcut
        h = h + r
    return dense(tf.nn.relu(h), 1, "out", act=None)[..., 0]


def eikonal(logit, pts):
    g = tf.gradients(logit, pts)[0]
    n = tf.sqrt(tf.reduce_sum(tf.square(g), -1) + 1e-6)  # SAFE: offset under the root before it is differentiated again
    return tf.reduce_mean(tf.square(tf.minimum(n, 10.0) - 1.0))


def build(lr, w_eik):
    g = {"c": tf.placeholder(tf.float32, [None, None, 3]), "p": tf.placeholder(tf.float32, [None, None, 3]),
         "o": tf.placeholder(tf.float32, [None, None])}
    code = encode(g["c"])
    logit = decode(g["p"], code)
    bce = tf.nn.sigmoid_cross_entropy_with_logits(labels=g["o"], logits=logit)  # SAFE: last dense has no activation
    g["bce"] = tf.reduce_mean(tf.reduce_sum(bce, 1)) / tf.cast(tf.shape(bce)[1], tf.float32)  # SAFE: the feeder always delivers points
    g["eik"] = eikonal(logit, g["p"])
    reg = tf.reduce_mean(tf.square(code))
    g["loss"] = g["bce"] + w_eik * g["eik"] + 1e-4 * reg
    prob = tf.sigmoid(logit)
    hit = tf.cast(prob > 0.5, tf.float32)
    inter = tf.reduce_sum(hit * g["o"], 1)
    union = tf.reduce_sum(tf.maximum(hit, g["o"]), 1)
    g["iou"] = tf.reduce_mean((inter + 1e-6) / (union + 1e-6))  # SAFE: offset, metric only
    pc = tf.clip_by_value(prob, 1e-6, 1.0 - 1e-6)
    g["bits"] = -tf.reduce_mean(g["o"] * tf.log(pc) + (1.0 - g["o"]) * tf.log(1.0 - pc)) / np.log(2.0)  # SAFE: clipped on both sides, metric only
    step = tf.train.get_or_create_global_step()
    rate = tf.train.cosine_decay(lr, step, 100000, alpha=0.01)  # SAFE: constant horizon
    tv = tf.trainable_variables()
    grads, g["norm"] = tf.clip_by_global_norm(tf.gradients(g["loss"], tv), 5.0)  # SAFE: global norm clip accepts zero gradients
    g["op"] = tf.train.AdamOptimizer(rate).apply_gradients(list(zip(grads, tv)), global_step=step)
    g["step"] = step
    return g


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("val")
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--cloud", type=int, default=512)
    ap.add_argument("--points", type=int, default=1024)
    ap.add_argument("--iters", type=int, default=100000)
    ap.add_argument("--lr", type=float, default=3e-4)
    ap.add_argument("--eik", type=float, default=1e-3)
    ap.add_argument("--dir", default="occ_ckpt")
    a = ap.parse_args()
    tr, va = Feeder(a.train, a.batch, a.cloud, a.points, 0), Feeder(a.val, a.batch, a.cloud, a.points, 1)
    g = build(a.lr, a.eik)
    feed = lambda f: dict(zip((g["c"], g["p"], g["o"]), f.next()))
    saver = tf.train.Saver(max_to_keep=3)
    with tf.Session() as s:
        s.run(tf.global_variables_initializer())
        last = tf.train.latest_checkpoint(a.dir)
        if last:
            saver.restore(s, last)
        t0 = time.time()
        for it in range(a.iters):
            _, bce, norm = s.run([g["op"], g["bce"], g["norm"]], feed(tr))
            if it % 500 == 0:
                v = np.mean([s.run([g["iou"], g["bits"], g["eik"]], feed(va)) for _ in range(10)], 0)
                print("%d bce %.4f |g| %.2f val IoU %.4f bits %.3f eik %.3f (%.1f it/s)" % (
                    it, bce, norm, v[0], v[1], v[2], 500 / max(time.time() - t0, 1e-6)))  # SAFE: elapsed time floored
                t0 = time.time()
                saver.save(s, os.path.join(a.dir, "occ"), global_step=g["step"])


if __name__ == "__main__":
    main()
