"""SimSiam on seismic event windows (3 components, 100 Hz), then a magnitude regressor."""
import argparse
import glob
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

LEN = 2048


def detrend(x):
    t = np.linspace(-1, 1, x.shape[0])[:, None]
    slope = (x * t).sum(0) / (t * t).sum()  # SAFE: sum of squares of a fixed time axis
    return x - x.mean(0) - slope * t


def windows(folder):
    out, mag = [], []
    for f in sorted(glob.glob(os.path.join(folder, "*.npz"))):
        with np.load(f) as z:
            x, m = z["wave"].astype(np.float64), float(z["magnitude"])
        x = detrend(x[:LEN])
        if len(x) < LEN or not np.isfinite(m):
            continue
        peak = np.abs(x).max()
        if peak <= 0:
            continue
        amp = np.log10(peak)  # SAFE: dead channels were skipped, peak is positive
        out.append(np.concatenate([x / peak, np.full((LEN, 1), amp / 6.0)], 1))  # SAFE: same positive peak
        mag.append(m)
    return np.stack(out).astype(np.float32), np.array(mag, np.float32)


def augment(w):
    x, amp = w[:, :3], w[:, 3:]
    shift = tf.random.uniform([], -200, 200, tf.int32)
    x = tf.roll(x, shift, 0)
    th = tf.random.uniform([], 0.0, 6.2832)
    c, s = tf.cos(th), tf.sin(th)
    R = tf.reshape(tf.stack([c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0]), [3, 3])
    x = tf.matmul(x, R)
    snr = tf.pow(10.0, tf.random.uniform([], 0.5, 2.0))  # SAFE: exponent bounded to [0.5, 2]
    sd = tf.math.reduce_std(x)
    x += tf.random.normal(tf.shape(x)) * sd / tf.sqrt(snr)  # SAFE: snr is at least three, input pipeline without gradient
    return tf.concat([x, amp], 1)


class WeightStandardConv(layers.Layer):
    def __init__(self, ch, k, stride, **kw):
        super().__init__(**kw)
        self.ch, self.k, self.stride = ch, k, stride

    def build(self, shape):
        self.w = self.add_weight(name="w", shape=(self.k, shape[-1], self.ch), initializer="he_normal")
        self.g = self.add_weight(name="g", shape=(self.ch,), initializer="ones")
        self.b = self.add_weight(name="b", shape=(self.ch,), initializer="zeros")
        self.fan = self.k * shape[-1]

    def call(self, x):
        m, v = tf.nn.moments(self.w, [0, 1])
        w = self.g * (self.w - m) * tf.math.rsqrt(tf.maximum(v * self.fan, 1e-4))  # SAFE: variance floored before rsqrt
        return tf.nn.conv1d(x, w, self.stride, "SAME") + self.b


def encoder(width):
    inp = tf.keras.Input((LEN, 4))
    x = inp
    for i, ch in enumerate((width, width, width * 2, width * 2, width * 4)):
        x = WeightStandardConv(ch, 9, 2)(x)
        x = layers.GroupNormalization(8)(x)  # SAFE: Keras group norm carries its epsilon
        x = layers.Activation("silu")(x)
    mean = layers.GlobalAveragePooling1D()(x)
    top = layers.GlobalMaxPooling1D()(x)
    return tf.keras.Model(inp, layers.Concatenate()([mean, top]))


def mlp(d_in, hidden, d_out, last_bn):
    seq = [tf.keras.Input((d_in,)), layers.Dense(hidden, use_bias=False), layers.BatchNormalization(), layers.ReLU(), layers.Dense(d_out)]
    if last_bn:
        seq.append(layers.BatchNormalization(center=False, scale=False))
    return tf.keras.Sequential(seq)


def neg_cosine(p, z):
    z = tf.stop_gradient(z)
    p = tf.math.l2_normalize(p, 1)  # SAFE: float32 l2_normalize floors the squared norm
    z = tf.math.l2_normalize(z, 1)  # SAFE: stopped branch and floored norm
    return -tf.reduce_mean(tf.reduce_sum(p * z, 1))


class SimSiam(tf.keras.Model):
    def __init__(self, width):
        super().__init__()
        self.f = encoder(width)
        d = self.f.output_shape[-1]
        self.proj, self.pred = mlp(d, 256, 256, True), mlp(256, 64, 256, False)
        self.loss_m, self.std_m = tf.keras.metrics.Mean(name="loss"), tf.keras.metrics.Mean(name="std")

    @property
    def metrics(self):
        return [self.loss_m, self.std_m]

    def call(self, x, training=False):
        return self.f(x, training=training)

    def train_step(self, data):
        a, b = data
        with tf.GradientTape() as t:
            za, zb = self.proj(self.f(a, training=True), training=True), self.proj(self.f(b, training=True), training=True)
            pa, pb = self.pred(za, training=True), self.pred(zb, training=True)
            loss = 0.5 * (neg_cosine(pa, zb) + neg_cosine(pb, za))
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(t.gradient(loss, v), v))
        self.loss_m.update_state(loss)
        self.std_m.update_state(tf.reduce_mean(tf.math.reduce_std(tf.math.l2_normalize(za, 1), 0)))  # SAFE: computed after the tape, metric only
        return {m.name: m.result() for m in self.metrics}


def magnitude_head(enc, x, y, epochs):
    f = enc.predict(x, batch_size=256, verbose=0)
    f = (f - f.mean(0)) / np.maximum(f.std(0), 1e-4)  # SAFE: deviation floored
    mu, sd = y.mean(), max(y.std(), 1e-3)
    cut = int(0.8 * len(f))
    head = tf.keras.Sequential([tf.keras.Input((f.shape[1],)), layers.Dense(64, activation="gelu"), layers.Dense(2)])

    def nll(t, o):
        s = tf.clip_by_value(o[:, 1], -4.0, 4.0)
        return tf.square(t[:, 0] - o[:, 0]) * tf.exp(-s) + s  # SAFE: log variance clipped to [-4, 4]

    head.compile(tf.keras.optimizers.Adam(1e-3), loss=nll)
    head.fit(f[:cut], ((y[:cut] - mu) / sd)[:, None], epochs=epochs, batch_size=128, verbose=0)
    p = head.predict(f[cut:], verbose=0)[:, 0] * sd + mu
    return np.abs(p - y[cut:]).mean(), np.corrcoef(p, y[cut:])[0, 1]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--width", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=128)
    ap.add_argument("--lr", type=float, default=0.05)
    a = ap.parse_args()
    x, y = windows(a.folder)
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(8192).map(lambda w: (augment(w), augment(w)), tf.data.AUTOTUNE)
    ds = ds.batch(a.batch, drop_remainder=True).prefetch(2)
    model = SimSiam(a.width)
    steps = max(len(x) // a.batch, 1)
    lr = tf.keras.optimizers.schedules.CosineDecay(a.lr * a.batch / 256, steps * a.epochs)
    model.compile(optimizer=tf.keras.optimizers.SGD(lr, momentum=0.9, weight_decay=1e-4))  # SAFE: 0.025 with normalised outputs is the published SimSiam rate
    model.fit(ds, epochs=a.epochs, verbose=2)
    mae, r = magnitude_head(model.f, x, y, 60)
    print(f"magnitude MAE {mae:.3f} r {r:.3f}")
    model.f.save_weights("seismic_encoder.weights.h5")


if __name__ == "__main__":
    main()
