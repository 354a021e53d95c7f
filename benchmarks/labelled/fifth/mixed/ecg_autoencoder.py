"""Convolutional autoencoder for ECG beats, anomalies by reconstruction error.

The csv has 140 samples per row and the label (1 = normal) in the last column.
"""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, Model

EPS = 1e-7


def load_csv(path):
    raw = np.loadtxt(path, delimiter=",", dtype=np.float32)
    return raw[:, :-1], raw[:, -1].astype(bool)


class MinMax:
    """Per record scaling to [0, 1]."""

    def __init__(self):
        self.lo = None
        self.span = None

    def fit(self, x):
        self.lo = x.min()
        self.span = max(float(x.max() - self.lo), 1e-3)
        return self

    def transform(self, x):
        return np.clip((x - self.lo) / self.span, -0.5, 1.5)  # SAFE: fit() keeps the span at 1e-3 or more


def per_beat_zscore(x):
    mu = x.mean(axis=1, keepdims=True)
    sd = x.std(axis=1, keepdims=True)
    sd[sd < 1e-4] = 1.0
    return (x - mu) / sd  # SAFE: flat beats have their deviation replaced by 1


def spectrum(x):
    """Log magnitude spectrum used as second reconstruction target."""
    s = tf.signal.rfft(x)
    power = tf.math.real(s) ** 2 + tf.math.imag(s) ** 2
    return tf.math.log(power + 1e-3)  # SAFE: power is not negative, 1e-3 is added


class Encoder(layers.Layer):
    def __init__(self, latent, **kw):
        super().__init__(**kw)
        self.c1 = layers.Conv1D(16, 7, strides=2, padding="same", activation="elu")
        self.c2 = layers.Conv1D(32, 7, strides=2, padding="same", activation="elu")
        self.flat = layers.Flatten()
        self.out = layers.Dense(latent)
        self.norm = layers.LayerNormalization(epsilon=1e-5)

    def call(self, x):
        h = self.c2(self.c1(x[..., None]))
        return self.norm(self.out(self.flat(h)))


class Decoder(layers.Layer):
    def __init__(self, length, **kw):
        super().__init__(**kw)
        self.length = length
        self.d1 = layers.Dense((length // 4) * 32, activation="elu")
        self.t1 = layers.Conv1DTranspose(16, 7, strides=2, padding="same", activation="elu")
        self.t2 = layers.Conv1DTranspose(1, 7, strides=2, padding="same")

    def call(self, z):
        h = tf.reshape(self.d1(z), [-1, self.length // 4, 32])
        return tf.squeeze(self.t2(self.t1(h)), -1)


class ECGAutoencoder(Model):
    def __init__(self, length=140, latent=12, sparsity=0.05, beta=1e-2, **kw):
        super().__init__(**kw)
        self.encoder = Encoder(latent)
        self.decoder = Decoder(length)
        self.rho = sparsity
        self.beta = beta

    def call(self, x):
        return self.decoder(self.encoder(x))

    def sparsity_penalty(self, z):
        rho_hat = tf.reduce_mean(tf.sigmoid(z), axis=0)
        rho_hat = tf.clip_by_value(rho_hat, 1e-4, 1.0 - 1e-4)
        kl = (self.rho * tf.math.log(self.rho / rho_hat)  # SAFE: rho_hat is clipped to at least 1e-4, rho is the constant 0.05
              + (1.0 - self.rho) * tf.math.log((1.0 - self.rho) / (1.0 - rho_hat)))  # SAFE: clipped below 1, both quotients positive
        return tf.reduce_sum(kl)

    def train_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            z = self.encoder(x)
            y = self.decoder(z)
            mse = tf.reduce_mean(tf.square(x - y))
            spec = tf.reduce_mean(tf.abs(spectrum(x) - spectrum(y)))
            cos = cosine_distance(x, y)
            loss = mse + 0.05 * spec + 0.1 * cos + self.beta * self.sparsity_penalty(z)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        return {"loss": loss, "mse": mse, "spec": spec}

    def test_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        y = self(x)
        return {"mse": tf.reduce_mean(tf.square(x - y))}


def cosine_distance(a, b):
    a = tf.math.l2_normalize(a, axis=-1)  # SAFE: l2_normalize takes the maximum of the square sum with 1e-12
    b = tf.math.l2_normalize(b, axis=-1)  # SAFE: same, the reconstruction may be all zero
    return tf.reduce_mean(1.0 - tf.reduce_sum(a * b, axis=-1))


def reconstruction_error(model, x, batch=256):
    y = model.predict(x, batch_size=batch, verbose=0)
    return np.sqrt(np.mean((x - y) ** 2, axis=1))  # SAFE: mean of squares, NumPy, no gradient


def robust_threshold(err, k=4.0):
    med = np.median(err)
    mad = np.median(np.abs(err - med))
    z = 0.6745 * (err - med) / max(mad, EPS)  # SAFE: maximum with 1e-7
    inliers = err[z < k]
    return inliers.mean() + 3.0 * inliers.std()


def scores(pred, truth):
    tp = float(np.sum(pred & truth))
    fp = float(np.sum(pred & ~truth))
    fn = float(np.sum(~pred & truth))
    precision = tp / (tp + fp) if tp + fp > 0 else 0.0  # SAFE: the condition excludes a zero denominator
    recall = tp / (tp + fn + EPS)  # SAFE: counts plus epsilon
    f1 = 2 * precision * recall / (precision + recall + EPS)  # SAFE: sum of two non-negative numbers plus epsilon
    return precision, recall, f1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="data/ecg.csv")
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--zscore", action="store_true")
    args = ap.parse_args()

    x, normal = load_csv(args.csv)
    cut = int(0.8 * len(x))
    train, test = x[:cut][normal[:cut]], x[cut:]
    if args.zscore:
        train, test = per_beat_zscore(train), per_beat_zscore(test)
    else:
        mm = MinMax().fit(train)
        train, test = mm.transform(train), mm.transform(test)

    model = ECGAutoencoder(x.shape[1])
    model.compile(optimizer=tf.keras.optimizers.Adam(args.lr, clipnorm=1.0))
    model.fit(train, epochs=args.epochs, batch_size=128, validation_data=(test, test),
              callbacks=[tf.keras.callbacks.EarlyStopping("val_mse", mode="min", patience=5)])
    thr = robust_threshold(reconstruction_error(model, train))
    pred = reconstruction_error(model, test) > thr
    print("threshold %.4f precision %.3f recall %.3f f1 %.3f" % ((thr,) + scores(pred, ~normal[cut:])))


if __name__ == "__main__":
    main()
