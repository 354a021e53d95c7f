"""Downscaling of ERA5 10 m wind (u, v) over sea cells with a residual CNN."""
import argparse
import glob

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def load_fields(pattern):
    lows, highs, masks = [], [], []
    for f in sorted(glob.glob(pattern)):
        with np.load(f) as z:
            lows.append(z["low"].astype("float32"))
            highs.append(z["high"].astype("float32"))
            masks.append(z["sea"].astype("float32"))
    return np.stack(lows), np.stack(highs), np.stack(masks)[..., None]


class WindScaler:
    def fit(self, uv):
        self.sigma = max(float(np.sqrt((uv ** 2).mean())), 1e-3)  # SAFE: mean of squares, numpy, floored
        return self

    def transform(self, uv):
        return uv / self.sigma  # SAFE: sigma floored at 1e-3

    def inverse(self, uv):
        return uv * self.sigma


def residual(x, n):
    y = layers.Conv2D(n, 3, padding="same", activation="relu")(x)
    y = layers.Conv2D(n, 3, padding="same")(y)
    return layers.Add()([x, layers.Rescaling(0.1)(y)])


def build(low_shape, factor, width=48, blocks=6):
    low = keras.Input(low_shape + (2,), name="low")
    sea = keras.Input((low_shape[0] * factor, low_shape[1] * factor, 1), name="sea")
    x = layers.Conv2D(width, 3, padding="same")(low)
    for _ in range(blocks):
        x = residual(x, width)
    x = layers.UpSampling2D(factor, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, sea])
    x = layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(2, 3, padding="same")(x)
    up = layers.UpSampling2D(factor, interpolation="bilinear")(low)
    uv = layers.Multiply(name="uv")([layers.Add()([x, up]), sea])
    return keras.Model([low, sea], uv)


def speed(uv):
    return tf.sqrt(tf.reduce_sum(tf.square(uv), axis=-1) + 1e-12)  # SAFE: 1e-12 is inside the root, land cells are 0


def direction_error(true, pred):
    """1 - cos of the angle between both vectors, 0 where there is no wind."""
    dot = tf.reduce_sum(true * pred, axis=-1)
    length = tf.norm(true, axis=-1) * speed(pred)  # SAFE: norm of the targets, no gradient runs through it
    cos = tf.where(length > 0.0, dot / length, tf.ones_like(dot))  # BUG: where-grad, land cells have true = 0 so dot / length is 0/0, where hides the value but the gradient of the hidden branch is NaN
    return 1.0 - cos


class WindLoss(keras.losses.Loss):
    """Masked field error, speed error and direction error. Land is 0 in the targets."""

    def __init__(self, w_speed=0.5, w_dir=0.2, name="wind"):
        super().__init__(name=name)
        self.w_speed, self.w_dir = w_speed, w_dir

    def call(self, true, pred):
        sea = tf.cast(tf.reduce_any(tf.not_equal(true, 0.0), axis=-1), tf.float32)
        n = tf.maximum(tf.reduce_sum(sea, axis=[1, 2]), 1.0)
        field = tf.reduce_sum(tf.square(true - pred), axis=-1)
        sp = tf.square(speed(true) - speed(pred))
        per_cell = field + self.w_speed * sp + self.w_dir * direction_error(true, pred)
        return tf.reduce_sum(per_cell * sea, axis=[1, 2]) / n  # SAFE: number of sea cells floored at 1


def speed_rmse(true, pred):
    return tf.sqrt(tf.reduce_mean(tf.square(speed(true) - speed(pred))))  # SAFE: metric only, no gradient is taken


def power_spectrum_ratio(true, pred):
    ft = np.abs(np.fft.rfft2(true[..., 0])) ** 2
    fp = np.abs(np.fft.rfft2(pred[..., 0])) ** 2
    return fp.mean(0) / np.maximum(ft.mean(0), 1e-9)  # SAFE: floored, evaluation only


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="era5/train_*.npz")
    ap.add_argument("--valid", default="era5/valid_*.npz")
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--lr", type=float, default=2e-4)
    ap.add_argument("--epochs", type=int, default=60)
    a = ap.parse_args()
    low, high, sea = load_fields(a.train)
    vl, vh, vs = load_fields(a.valid)
    sc = WindScaler().fit(low)
    factor = high.shape[1] // low.shape[1]
    model = build(low.shape[1:3], factor)
    model.compile(keras.optimizers.Adam(a.lr, clipnorm=1.0), WindLoss(), metrics=[speed_rmse])
    model.fit([sc.transform(low), sea], sc.transform(high * sea), batch_size=a.batch, epochs=a.epochs,
              validation_data=([sc.transform(vl), vs], sc.transform(vh * vs)),
              callbacks=[keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=5),
                         keras.callbacks.ModelCheckpoint("wind.keras", save_best_only=True)])
    pred = model.predict([sc.transform(vl), vs])
    print(power_spectrum_ratio(sc.transform(vh * vs), pred)[:, 0])


if __name__ == "__main__":
    main()
