"""Contour direction fields from architectural sketches, float16 compute with a hand-written step."""
import argparse
import os
import pathlib

import numpy as np
import tensorflow as tf

L = tf.keras.layers


def pairs(root, size, batch, train):
    files = sorted(str(p) for p in pathlib.Path(root).glob("*_sketch.png"))

    def load(p):
        s = tf.io.decode_png(tf.io.read_file(p), channels=1)
        f = tf.io.decode_png(tf.io.read_file(tf.strings.regex_replace(p, "_sketch", "_field")), channels=3)
        s = 1.0 - tf.cast(tf.image.resize(s, [size, size]), tf.float32) / 255.0
        f = tf.cast(tf.image.resize(f, [size, size], "nearest"), tf.float32)
        d = f[..., :2] / 127.5 - 1.0
        m = tf.cast(f[..., 2:] > 127, tf.float32)
        n = tf.sqrt(tf.reduce_sum(d * d, -1, keepdims=True))  # SAFE: target preparation in tf.data, no gradient
        d = tf.math.divide_no_nan(d, n) * m  # SAFE: background directions are zero vectors, divide_no_nan
        return s, tf.concat([d, m], -1)

    ds = tf.data.Dataset.from_tensor_slices(files)
    if train:
        ds = ds.shuffle(len(files))
    return ds.map(load, tf.data.AUTOTUNE).batch(batch, drop_remainder=train).prefetch(2)


class DirectionHead(L.Layer):
    """Unit direction per pixel."""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.conv = L.Conv2D(2, 1, use_bias=False)

    def call(self, x):
        return tf.math.l2_normalize(self.conv(x), -1)  # BUG: half, the default epsilon 1e-12 is 0 in float16 and blank regions give a zero vector


def block(x, ch):
    x = L.Conv2D(ch, 3, padding="same", activation="relu", use_bias=False)(x)
    return L.Conv2D(ch, 3, padding="same", activation="relu", use_bias=False)(x)


def network(size, width, depth):
    inp = tf.keras.Input((size, size, 1))
    x, skips = inp, []
    for d in range(depth):
        x = block(x, width * 2 ** d)
        skips.append(x)
        x = L.MaxPool2D()(x)
    x = block(x, width * 2 ** depth)
    for d in reversed(range(depth)):
        x = L.Concatenate()([L.UpSampling2D()(x), skips[d]])
        x = block(x, width * 2 ** d)
    line = L.Conv2D(1, 1, dtype="float32")(x)
    return tf.keras.Model(inp, {"dir": DirectionHead()(x), "line": line})


def line_loss(mask, logit):
    pos = tf.reduce_mean(mask)
    w = tf.clip_by_value((1.0 - pos) / (pos + 1e-4), 1.0, 20.0)  # SAFE: offset and clipped class weight
    ce = tf.nn.weighted_cross_entropy_with_logits(labels=mask, logits=logit, pos_weight=w)  # SAFE: float32 logits from a linear convolution
    return tf.reduce_mean(ce)


def angle_loss(d_true, d_pred, mask):
    """Directions are lines, so compare twice the angle."""
    d_pred = tf.cast(d_pred, tf.float32)
    dot = tf.reduce_sum(d_true * d_pred, -1)
    crs = d_true[..., 0] * d_pred[..., 1] - d_true[..., 1] * d_pred[..., 0]
    ang = tf.atan2(crs, dot)  # BUG: other, off the contour both arguments are exactly zero and the atan2 gradient is NaN before the mask
    err = tf.square(tf.sin(ang)) * mask[..., 0]
    return tf.reduce_sum(err) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: number of contour pixels floored at one


def smoothness(d_pred):
    d = tf.cast(d_pred, tf.float32)
    gx = d[:, :, 1:] - d[:, :, :-1]
    gy = d[:, 1:] - d[:, :-1]
    return tf.reduce_mean(tf.sqrt(tf.reduce_sum(gx * gx, -1) + 1e-6)) + tf.reduce_mean(tf.sqrt(tf.reduce_sum(gy * gy, -1) + 1e-6))  # SAFE: float32 with 1e-6 under both roots


class StaticScale:
    """Fixed loss scale, skips a step with non-finite gradients."""

    def __init__(self, opt, scale=512.0):
        self.opt, self.scale = opt, scale
        self.skipped = tf.Variable(0, trainable=False)

    def apply(self, grads, variables):
        g = [tf.cast(q, tf.float32) / self.scale for q in grads]  # SAFE: constant scale, cast to float32 before the division
        ok = tf.reduce_all([tf.reduce_all(tf.math.is_finite(q)) for q in g])
        g = [tf.where(ok, q, tf.zeros_like(q)) for q in g]
        self.skipped.assign_add(1 - tf.cast(ok, tf.int32))
        g, norm = tf.clip_by_global_norm(g, 1.0)  # SAFE: gradients are finite here and a zero norm is handled
        self.opt.apply_gradients(zip(g, variables))
        return norm


def evaluate(net, ds):
    tot, n = 0.0, 0.0
    for s, t in ds:
        o = net(s, training=False)
        c = tf.abs(tf.reduce_sum(tf.cast(o["dir"], tf.float32) * t[..., :2], -1))
        deg = tf.acos(tf.clip_by_value(c, 0.0, 1.0)) * 57.29578  # SAFE: evaluation without a tape, argument clipped
        tot += float(tf.reduce_sum(tf.where(t[..., 2] > 0, deg, 0.0)))
        n += float(tf.reduce_sum(t[..., 2]))
    return tot / max(n, 1.0)  # SAFE: floored count


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("val")
    ap.add_argument("--size", type=int, default=192)
    ap.add_argument("--width", type=int, default=24)
    ap.add_argument("--depth", type=int, default=3)
    ap.add_argument("--batch", type=int, default=12)
    ap.add_argument("--epochs", type=int, default=60)
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--smooth", type=float, default=0.02)
    ap.add_argument("--out", default="sketch_ckpt")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    net = network(a.size, a.width, a.depth)
    scaler = StaticScale(tf.keras.optimizers.Adam(a.lr, epsilon=1e-7))  # SAFE: optimizer slots are float32

    @tf.function
    def step(s, t):
        with tf.GradientTape() as tape:
            o = net(s, training=True)
            mask = t[..., 2:]
            la = angle_loss(t[..., :2], o["dir"], mask)
            ll = line_loss(mask, o["line"])
            loss = la + ll + a.smooth * smoothness(o["dir"])
            scaled = loss * scaler.scale
        return la, ll, scaler.apply(tape.gradient(scaled, net.trainable_variables), net.trainable_variables)

    for ep in range(a.epochs):
        r = np.mean([[float(v) for v in step(s, t)] for s, t in pairs(a.train, a.size, a.batch, True)], 0)
        print(f"{ep:3d} angle {r[0]:.4f} line {r[1]:.4f} |g| {r[2]:.3f} skipped {int(scaler.skipped)} "
              f"val {evaluate(net, pairs(a.val, a.size, a.batch, False)):.2f} deg", flush=True)
        net.save_weights(os.path.join(a.out, "net.weights.h5"))


if __name__ == "__main__":
    main()
