"""Unrolled multi-coil knee MRI reconstruction (variational network flavour).

Slices are stored as .npz: kspace complex64 [coils,H,W], mask uint8 [W].
"""
import argparse
import glob
import logging
import os

import numpy as np
import tensorflow as tf

LOG = logging.getLogger("vn")


def fft2c(x):
    x = tf.signal.ifftshift(x, axes=(-2, -1))
    return tf.signal.fftshift(tf.signal.fft2d(x), axes=(-2, -1))


def ifft2c(k):
    k = tf.signal.ifftshift(k, axes=(-2, -1))
    return tf.signal.fftshift(tf.signal.ifft2d(k), axes=(-2, -1))


def rss(coil_images):
    """Root sum of squares over the coil axis (1)."""
    mag2 = tf.square(tf.math.real(coil_images)) + tf.square(tf.math.imag(coil_images))
    return tf.sqrt(tf.reduce_sum(mag2, axis=1))  # BUG: sqrt-grad, exactly zero outside the masked field of view while training goes through it


def estimate_sens(kspace, acs=24):
    w = tf.shape(kspace)[-1]
    start = (w - acs) // 2
    line = tf.cast(tf.logical_and(tf.range(w) >= start, tf.range(w) < start + acs), tf.complex64)
    low = ifft2c(kspace * line)
    mag = tf.sqrt(tf.reduce_sum(tf.square(tf.abs(low)), 1, keepdims=True))  # SAFE: maps are computed in the input pipeline without a gradient
    thr = 0.02 * tf.reduce_max(mag, [-2, -1], keepdims=True)
    support = tf.cast(mag > thr, tf.complex64)
    return low / tf.cast(tf.maximum(mag, 1e-9), tf.complex64) * support  # SAFE: magnitude floored at 1e-9


def load(path):
    def _np(p):
        with np.load(p.numpy().decode()) as z:
            k, m = z["kspace"], z["mask"]
        scale = np.abs(k).max()
        return (k / max(scale, 1e-12)).astype(np.complex64) * 100, m.astype(np.float32)  # SAFE: scale floored

    k, m = tf.py_function(_np, [path], [tf.complex64, tf.float32])
    k.set_shape([None, None, None])
    m.set_shape([None])
    return k, m


def prepare(k, m):
    sens = estimate_sens(k)
    target = tf.abs(tf.reduce_sum(tf.math.conj(sens) * ifft2c(k), 1))  # SAFE: complex abs, target only
    return k * tf.cast(m[:, None, None, :], tf.complex64), m, sens, target


class SmallCNN(tf.keras.layers.Layer):
    def __init__(self, ch, **kw):
        super().__init__(**kw)
        conv = tf.keras.layers.Conv2D
        self.convs = [conv(ch, 3, padding="same", activation="relu") for _ in range(3)]
        self.out = conv(2, 3, padding="same", kernel_initializer="zeros")  # SAFE: residual output conv, skip connection is the identity

    def call(self, x):
        h = tf.stack([tf.math.real(x), tf.math.imag(x)], -1)
        sd = tf.sqrt(tf.reduce_mean(tf.square(h), [1, 2, 3], keepdims=True) + 1e-6)  # SAFE: mean square plus 1e-6
        h = h / sd
        for c in self.convs:
            h = c(h)
        h = self.out(h) * sd
        return x + tf.complex(h[..., 0], h[..., 1])


class Unrolled(tf.keras.Model):
    def __init__(self, iters=6, ch=32):
        super().__init__()
        self.cnn = [SmallCNN(ch) for _ in range(iters)]
        self.lam = [self.add_weight(name=f"lam{i}", shape=(), initializer=tf.keras.initializers.Constant(-1.0)) for i in range(iters)]

    def call(self, inputs):
        k0, m, sens = inputs
        m = tf.cast(m[:, None, None, :], tf.complex64)
        x = tf.reduce_sum(tf.math.conj(sens) * ifft2c(k0), 1)
        for cnn, lam in zip(self.cnn, self.lam):
            x = cnn(x)
            k = fft2c(sens * x[:, None])
            mu = tf.cast(tf.nn.softplus(lam), tf.complex64)
            k = (1.0 - m) * k + m * (k + mu * k0) / (1.0 + mu)  # SAFE: softplus is positive, denominator above one
            x = tf.reduce_sum(tf.math.conj(sens) * ifft2c(k), 1)
        return sens * x[:, None]


def ssim_loss(pred, target):
    peak = tf.reduce_max(target, [1, 2])
    scale = tf.maximum(peak, 1e-6)[:, None, None]
    s = tf.image.ssim((pred / scale)[..., None], (target / scale)[..., None], max_val=1.0)  # SAFE: peak floored, ssim has its own constants
    return 1.0 - tf.reduce_mean(s)


def nmse(pred, target):
    return tf.reduce_sum(tf.square(pred - target)) / tf.maximum(tf.reduce_sum(tf.square(target)), 1e-9)  # SAFE: target energy floored


def run(args):
    def ds(folder, train):
        files = sorted(glob.glob(os.path.join(folder, "*.npz")))
        d = tf.data.Dataset.from_tensor_slices(files)
        if train:
            d = d.shuffle(len(files))
        return d.map(load, 2).batch(args.batch).map(prepare).prefetch(1)

    net = Unrolled(args.iters, args.ch)
    opt = tf.keras.optimizers.Adam(args.lr, global_clipnorm=1.0)
    ck = tf.train.Checkpoint(net=net, opt=opt)
    mgr = tf.train.CheckpointManager(ck, args.out, 2)
    if mgr.latest_checkpoint:
        ck.restore(mgr.latest_checkpoint)
        LOG.info("resumed %s", mgr.latest_checkpoint)
    step = 0
    for ep in range(args.epochs):
        for k0, m, sens, target in ds(args.train, True):
            with tf.GradientTape() as tape:
                pred = rss(net((k0, m, sens)))
                loss = ssim_loss(pred, target) + 0.1 * tf.reduce_mean(tf.abs(pred - target))
            g = tape.gradient(loss, net.trainable_variables)
            opt.apply_gradients(zip(g, net.trainable_variables))
            step += 1
            if step % 50 == 0:
                LOG.info("ep %d step %d loss %.4f", ep, step, float(loss))
        err = [float(nmse(rss(net((k0, m, sens))), t)) for k0, m, sens, t in ds(args.val, False)]
        LOG.info("val NMSE %.5f (%.2f dB)", np.mean(err), 10 * np.log10(np.mean(err) + 1e-12))  # SAFE: offset in log10, report only
        mgr.save()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", required=True)
    ap.add_argument("--val", required=True)
    ap.add_argument("--iters", type=int, default=6)
    ap.add_argument("--ch", type=int, default=32)
    ap.add_argument("--batch", type=int, default=1)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--out", default="ckpt_vn")
    logging.basicConfig(level=logging.INFO)
    run(ap.parse_args())
