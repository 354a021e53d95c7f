"""Ames house prices, Kaggle metric is RMSLE so we train on it directly."""
import csv

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

NUM = ["GrLivArea", "LotArea", "OverallQual", "YearBuilt", "TotalBsmtSF", "GarageArea", "FullBath"]
FOLDS = 5
PRICE_UNIT = 1e5


def read(path):
    xs, ys = [], []
    with open(path, newline="") as f:
        for r in csv.DictReader(f):
            xs.append([float(r[c]) if r[c] not in ("", "NA") else np.nan for c in NUM])
            ys.append(float(r["SalePrice"]))
    return np.array(xs), np.array(ys)


def engineer(x, ref_year=2011):
    med = np.nanmedian(x, axis=0)
    x = np.where(np.isnan(x), med, x)
    age = ref_year - x[:, 3]
    area = np.log(np.maximum(x[:, 0], 1.0))  # SAFE: floored at one square foot
    lot = np.log1p(x[:, 1])  # SAFE: lot area is not negative in the data
    share = x[:, 5] / np.maximum(x[:, 0] + x[:, 4], 1.0)  # SAFE: floored at 1
    return np.column_stack([area, lot, x[:, 2] / 10.0, np.sqrt(np.maximum(age, 0.0)), x[:, 4] / 1000.0, share, x[:, 6]])


def robust_scale(train, other):
    q1, q2, q3 = np.percentile(train, [25, 50, 75], axis=0)
    iqr = q3 - q1
    iqr[iqr < 1e-9] = 1.0
    return (train - q2) / iqr, (other - q2) / iqr  # SAFE: zero ranges are replaced by 1


class RMSLE(keras.losses.Loss):
    def call(self, y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        d = tf.math.log(y_pred + 1.0) - tf.math.log(y_true + 1.0)  # BUG: domain, the last layer is linear and a prediction under -1 gives NaN
        return tf.sqrt(tf.reduce_mean(tf.square(d)) + 1e-6)  # SAFE: 1e-6 keeps the slope of the root finite


def rmsle_metric(y_true, y_pred):
    p = tf.math.log1p(tf.nn.relu(y_pred))  # SAFE: relu before log1p
    t = tf.math.log1p(y_true)  # SAFE: prices are positive
    return tf.sqrt(tf.reduce_mean(tf.square(p - t)))  # SAFE: metric only, no gradient


def within(y_true, y_pred, frac=0.1):
    return tf.reduce_mean(tf.cast(tf.abs(y_pred / y_true - 1.0) < frac, tf.float32))


def make_model(dim):
    inp = keras.Input((dim,))
    x = inp
    for units in (64, 64):
        h = layers.Dense(units, activation="selu", kernel_initializer="lecun_normal")(x)
        x = layers.AlphaDropout(0.05)(h)
    price = layers.Dense(1, name="price")(x)
    return keras.Model(inp, price)


def cosine(epoch, lr, total=200, base=1e-3):
    return float(base * 0.5 * (1 + np.cos(np.pi * epoch / total)))


def kfold(n, k, seed=42):
    idx = np.random.default_rng(seed).permutation(n)
    for part in np.array_split(idx, k):
        yield np.setdiff1d(idx, part), part


def main():
    x, y = read("train.csv")
    x = engineer(x)
    y = (y / PRICE_UNIT).astype("float32")[:, None]
    scores = []
    for fold, (tr, va) in enumerate(kfold(len(x), FOLDS)):
        keras.backend.clear_session()
        a, b = robust_scale(x[tr], x[va])
        model = make_model(a.shape[1])
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=RMSLE(), metrics=[rmsle_metric, within])
        hist = model.fit(a, y[tr], validation_data=(b, y[va]), epochs=200, batch_size=32, verbose=0,
                         callbacks=[keras.callbacks.LearningRateScheduler(cosine)])
        scores.append(min(hist.history["val_rmsle_metric"]))
        print("fold", fold, scores[-1])
    print("cv %.4f +- %.4f" % (np.mean(scores), np.std(scores)))


if __name__ == "__main__":
    main()
