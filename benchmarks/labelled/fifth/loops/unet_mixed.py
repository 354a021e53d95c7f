"""Lesion segmentation, U-Net with mixed precision and a custom loop (512 x 512 slices)."""
import argparse
import glob
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, mixed_precision


def windowed(ct, centre=40.0, width=400.0):
    lo = centre - width / 2
    return np.clip((ct - lo) / width, 0.0, 1.0).astype(np.float32)  # SAFE: width is the constant 400


def load_case(path):
    with np.load(path) as f:
        return windowed(f["ct"].astype(np.float32)), (f["mask"] > 0).astype(np.float32)


def slices(files, only_lesion):
    for fn in files:
        vol, mask = load_case(fn)
        for v, m in zip(vol, mask):
            if only_lesion and m.sum() == 0:
                continue
            yield v[..., None], m[..., None]


def dataset(files, size, batch, train):
    spec = tf.TensorSpec((None, None, 1), tf.float32)
    ds = tf.data.Dataset.from_generator(lambda: slices(files, train), output_signature=(spec, spec))
    ds = ds.map(lambda x, y: (tf.image.resize(x, [size, size]), tf.image.resize(y, [size, size], "nearest")))
    if train:
        ds = ds.shuffle(500)
    return ds.batch(batch).prefetch(2)


def block(x, f):
    for _ in range(2):
        x = layers.Conv2D(f, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return x


def unet(size, width=16, depth=4):
    x = inp = tf.keras.Input((size, size, 1))
    skips = []
    for i in range(depth):
        x = block(x, width * 2 ** i)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = block(x, width * 2 ** depth)
    for i in reversed(range(depth)):
        x = layers.UpSampling2D()(x)
        x = block(layers.Concatenate()([x, skips[i]]), width * 2 ** i)
    return tf.keras.Model(inp, layers.Conv2D(1, 1, activation="sigmoid")(x))


class SegLoss:
    def __init__(self, dice_weight=0.5, smooth=1.0):
        self.w, self.smooth = dice_weight, smooth

    def soft_dice(self, y, p):
        y = tf.cast(y, p.dtype)
        inter = tf.reduce_sum(y * p, axis=[1, 2, 3])
        total = tf.reduce_sum(y, axis=[1, 2, 3]) + tf.reduce_sum(p, axis=[1, 2, 3])  # BUG: half, the network output is float16 and the sum over 512 x 512 sigmoid values passes 65504
        return (2.0 * inter + self.smooth) / (total + self.smooth)  # MAYBE: the denominator is never 0, but the line inherits the overflow of the sums above

    def focal(self, y, p, gamma=2.0):
        p = tf.clip_by_value(tf.cast(p, tf.float32), 1e-5, 1.0 - 1e-5)
        pt = tf.where(y > 0.5, p, 1.0 - p)
        return tf.reduce_mean(-tf.pow(1.0 - pt, gamma) * tf.math.log(pt))  # SAFE: cast to float32 and clipped to [1e-5, 1-1e-5] before

    def __call__(self, y, p):
        d = tf.reduce_mean(1.0 - tf.cast(self.soft_dice(y, p), tf.float32))
        return self.w * d + (1.0 - self.w) * self.focal(y, p)


class Scaler:
    """Dynamic loss scale."""

    def __init__(self, value=2.0 ** 12, interval=500):
        self.value = tf.Variable(value, trainable=False)
        self.count = tf.Variable(0, trainable=False)
        self.interval = interval

    def unscale(self, grads):
        inv = 1.0 / self.value  # SAFE: value is floored at 1 in update
        grads = [g * inv for g in grads]
        ok = tf.reduce_all(tf.stack([tf.reduce_all(tf.math.is_finite(g)) for g in grads]))
        return grads, ok

    def update(self, ok):
        self.count.assign(tf.where(ok, self.count + 1, 0))
        grow = tf.equal(self.count % self.interval, self.interval - 1)
        up = tf.where(grow, tf.minimum(self.value * 2.0, 2.0 ** 15), self.value)
        self.value.assign(tf.where(ok, up, tf.maximum(self.value * 0.5, 1.0)))


def make_step(model, loss_fn, opt, scaler):
    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
            scaled = loss * scaler.value
        grads, ok = scaler.unscale(tape.gradient(scaled, model.trainable_variables))
        if ok:
            opt.apply_gradients(zip(grads, model.trainable_variables))
        scaler.update(ok)
        return loss, ok
    return step


def hard_dice(y, p):
    p = (p > 0.5).astype(np.float64)
    y = y.astype(np.float64)
    den = y.sum() + p.sum()
    return 1.0 if den == 0 else 2.0 * (y * p).sum() / den  # SAFE: empty against empty returns 1 before


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--cases", default="cases/*.npz")
    ap.add_argument("--size", type=int, default=512)
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--fp32", action="store_true")
    ap.add_argument("--out", default="unet_out")
    a = ap.parse_args()
    mixed_precision.set_global_policy("float32" if a.fp32 else "mixed_float16")
    files = sorted(glob.glob(a.cases))
    cut = max(1, len(files) // 5)
    model = unet(a.size)
    opt = tf.keras.optimizers.Adam(1e-3, epsilon=1e-7)
    step = make_step(model, SegLoss(), opt, Scaler())
    os.makedirs(a.out, exist_ok=True)
    for ep in range(a.epochs):
        losses, skipped = [], 0
        for x, y in dataset(files[cut:], a.size, a.batch, True):
            l, ok = step(x, y)
            losses.append(float(l))
            skipped += int(not bool(ok))
        dices = [hard_dice(y.numpy(), model(x).numpy()) for x, y in dataset(files[:cut], a.size, a.batch, False)]
        print(ep, np.mean(losses) if losses else "-", "skipped", skipped, "dice", np.mean(dices) if dices else "-")
        model.save_weights(os.path.join(a.out, "last.weights.h5"))


if __name__ == "__main__":
    main()
