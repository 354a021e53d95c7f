"""x4 super-resolution for thermal drone frames, mixed precision, custom loop."""
import argparse
import os
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

SCALE = 4


def frames(folder, crop):
    files = sorted(str(p) for p in Path(folder).glob("**/*.npy"))
    rng = np.random.default_rng(1)
    while True:
        f = files[rng.integers(len(files))]
        arr = np.load(f).astype(np.float32)          # Kelvin * 100
        lo, hi = np.percentile(arr, (0.5, 99.5))
        if hi - lo < 20:
            continue
        arr = np.clip((arr - lo) / (hi - lo), 0, 1)  # SAFE: frames with less than 0.2 K of contrast are skipped
        i = rng.integers(arr.shape[0] - crop + 1)
        j = rng.integers(arr.shape[1] - crop + 1)
        hr = arr[i:i + crop, j:j + crop, None]
        lr = hr.reshape(crop // SCALE, SCALE, crop // SCALE, SCALE, 1).mean((1, 3))
        yield lr, hr


def pipeline(folder, crop, batch):
    sig = (tf.TensorSpec([crop // SCALE, crop // SCALE, 1], tf.float32), tf.TensorSpec([crop, crop, 1], tf.float32))
    return tf.data.Dataset.from_generator(lambda: frames(folder, crop), output_signature=sig).batch(batch).prefetch(4)


class ChannelAttention(layers.Layer):
    def __init__(self, ch, r=4, **kw):
        super().__init__(**kw)
        self.a = layers.Dense(ch // r, activation="relu")
        self.b = layers.Dense(ch, activation="sigmoid")

    def call(self, x):
        mean = tf.reduce_mean(x, [1, 2])
        dev = x - mean[:, None, None]
        contrast = tf.sqrt(tf.cast(tf.reduce_mean(dev * dev, [1, 2]), tf.float32) + 1e-6)  # SAFE: cast to float32 before the offset and root
        s = self.b(self.a(mean + tf.cast(contrast, x.dtype)))
        return x * s[:, None, None]


def rcab(x, ch):
    h = layers.Conv2D(ch, 3, padding="same", activation="relu")(x)
    h = layers.Conv2D(ch, 3, padding="same")(h)
    h = ChannelAttention(ch)(h)
    return layers.Add()([x, layers.Rescaling(0.1)(h)])


def build(ch=48, blocks=8):
    inp = keras.Input((None, None, 1))
    x0 = layers.Conv2D(ch, 3, padding="same")(inp)
    x = x0
    for _ in range(blocks):
        x = rcab(x, ch)
    x = layers.Add()([x0, layers.Conv2D(ch, 3, padding="same")(x)])
    x = layers.Conv2D(SCALE * SCALE, 3, padding="same")(x)
    x = layers.Lambda(lambda t: tf.nn.depth_to_space(t, SCALE))(x)
    return keras.Model(inp, x)


def charbonnier(pred, target, eps=1e-4):
    d = pred - tf.cast(target, pred.dtype)
    return tf.reduce_mean(tf.sqrt(d * d + eps * eps))  # BUG: weak-guard, 1e-8 rounds to 0 in float16 so the root meets d=0


def gradient_l1(pred, target):
    px, tx = pred[:, :, 1:] - pred[:, :, :-1], target[:, :, 1:] - target[:, :, :-1]
    py, ty = pred[:, 1:] - pred[:, :-1], target[:, 1:] - target[:, :-1]
    return tf.reduce_mean(tf.abs(px - tx)) + tf.reduce_mean(tf.abs(py - ty))  # SAFE: both arguments float32 here, abs has a finite gradient at 0


def psnr(pred, target):
    mse = tf.reduce_mean(tf.square(tf.cast(pred, tf.float32) - target), [1, 2, 3])
    return tf.reduce_mean(-10.0 * tf.math.log(tf.maximum(mse, 1e-10)) / tf.math.log(10.0))  # SAFE: float32, floored, metric only


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warm, total):
        self.peak, self.warm, self.total = peak, warm, total

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        up = step / self.warm  # SAFE: warm-up is 500 steps from the command line default and asserted positive
        t = tf.clip_by_value((step - self.warm) / (self.total - self.warm), 0.0, 1.0)  # SAFE: total > warm is asserted in main
        return self.peak * tf.where(step < self.warm, up, 0.5 * (1 + tf.cos(np.pi * t)))

    def get_config(self):
        return dict(peak=self.peak, warm=self.warm, total=self.total)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--val", required=True)
    ap.add_argument("--crop", type=int, default=128)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--steps", type=int, default=50000)
    ap.add_argument("--warm", type=int, default=500)
    ap.add_argument("--peak", type=float, default=3e-4)
    ap.add_argument("--edge", type=float, default=0.1)
    ap.add_argument("--out", default="sr_runs")
    a = ap.parse_args()
    assert 0 < a.warm < a.steps and a.crop % SCALE == 0
    os.makedirs(a.out, exist_ok=True)

    keras.mixed_precision.set_global_policy("mixed_float16")
    net = build()
    inner = keras.optimizers.Adam(WarmupCosine(a.peak, a.warm, a.steps), epsilon=1e-7)  # SAFE: variables and slots are float32 under mixed_float16
    opt = keras.optimizers.LossScaleOptimizer(inner)
    opt.build(net.trainable_variables)

    @tf.function
    def step(lr, hr):
        with tf.GradientTape() as tape:
            sr = net(lr, training=True)
            pix = charbonnier(sr, hr)
            edge = gradient_l1(tf.cast(sr, tf.float32), hr)
            loss = tf.cast(pix, tf.float32) + a.edge * edge
            scaled = opt.scale_loss(loss)
        g = tape.gradient(scaled, net.trainable_variables)
        opt.apply(g, net.trainable_variables)  # SAFE: LossScaleOptimizer unscales the gradients itself
        return loss, psnr(sr, hr)

    val = [b for b in pipeline(a.val, a.crop, a.batch).take(8)]
    t0, acc = time.time(), []
    for i, (lr, hr) in enumerate(pipeline(a.data, a.crop, a.batch).take(a.steps), 1):
        loss, p = step(lr, hr)
        acc.append(float(p))
        if i % 250 == 0:
            vp = np.mean([float(psnr(net(x, training=False), y)) for x, y in val])
            print(f"{i} loss {float(loss):.5f} train {np.mean(acc):.2f} dB val {vp:.2f} dB "
                  f"{250 * a.batch / (time.time() - t0 + 1e-6):.0f} crops/s")  # SAFE: elapsed time plus 1e-6
            t0, acc = time.time(), []
            net.save_weights(os.path.join(a.out, "net.weights.h5"))


if __name__ == "__main__":
    main()
