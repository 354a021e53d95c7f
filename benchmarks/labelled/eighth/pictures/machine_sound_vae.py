"""Anomalous machine sound detection, VAE on log spectrogram blocks (compile/fit, subclassed)."""
import argparse
import glob
import os

import numpy as np
import tensorflow as tf
from sklearn.metrics import roc_auc_score
from tensorflow import keras
from tensorflow.keras import layers

BLOCK = 32
BINS = 128


def db_spectrogram(path):
    wav, sr = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    s = tf.abs(tf.signal.stft(wav[:, 0], 1024, 512))[:, :512]
    s = tf.reduce_mean(tf.reshape(s, [-1, BINS, 4]), -1)
    db = 20.0 * tf.math.log(tf.maximum(s, 1e-5)) / tf.math.log(10.0)  # SAFE: amplitude floored before the log
    return db.numpy()


def blocks(files):
    out = []
    for f in files:
        s = db_spectrogram(f)
        n = len(s) // BLOCK
        out.append(s[:n * BLOCK].reshape(n, BLOCK, BINS))
    return np.concatenate(out).astype(np.float32)


class Standardiser:
    def fit(self, x):
        self.mean = x.mean((0, 1))
        self.std = x.std((0, 1))
        return self

    def __call__(self, x):
        return (x - self.mean) / np.maximum(self.std, 0.5)  # SAFE: deviation in dB floored at 0.5

    def save(self, path):
        np.savez(path, mean=self.mean, std=self.std)


class Sampling(layers.Layer):
    def call(self, inputs):
        mu, logvar = inputs
        return mu + tf.exp(0.5 * logvar) * tf.random.normal(tf.shape(mu))  # BUG: exp-overflow, log variance is a linear layer on raw dB features and is not bounded


class SoundVAE(keras.Model):
    def __init__(self, latent=16, beta=0.5):
        super().__init__()
        self.beta = beta
        self.enc = keras.Sequential([
            layers.Reshape((BLOCK, BINS, 1)),
            layers.Conv2D(32, 3, 2, "same", activation="relu"),
            layers.Conv2D(64, 3, 2, "same", activation="relu"),
            layers.Conv2D(96, 3, 2, "same", activation="relu"),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
        ])
        self.to_mu = layers.Dense(latent)
        self.to_logvar = layers.Dense(latent)
        self.sample = Sampling()
        self.dec = keras.Sequential([
            layers.Dense(4 * 16 * 96, activation="relu"),
            layers.Reshape((4, 16, 96)),
            layers.Conv2DTranspose(64, 3, 2, "same", activation="relu"),
            layers.Conv2DTranspose(32, 3, 2, "same", activation="relu"),
            layers.Conv2DTranspose(1, 3, 2, "same"),
            layers.Reshape((BLOCK, BINS)),
        ])
        self.rec_m = keras.metrics.Mean(name="rec")
        self.kl_m = keras.metrics.Mean(name="kl")

    @property
    def metrics(self):
        return [self.rec_m, self.kl_m]

    def call(self, x, training=False):
        h = self.enc(x)
        mu, logvar = self.to_mu(h), self.to_logvar(h)
        z = self.sample((mu, logvar)) if training else mu
        return self.dec(z), mu, logvar

    def elbo_terms(self, x, training):
        rec, mu, logvar = self(x, training=training)
        r = tf.reduce_mean(tf.reduce_sum(tf.square(x - rec), [1, 2])) / BLOCK
        k = -0.5 * tf.reduce_mean(tf.reduce_sum(1.0 + logvar - tf.square(mu) - tf.exp(logvar), -1))  # BUG: exp-overflow, same unbounded log variance
        return r, k

    def train_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            r, k = self.elbo_terms(x, True)
            loss = r + self.beta * k
        g = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(g, self.trainable_variables))
        self.rec_m.update_state(r)
        self.kl_m.update_state(k)
        return {m.name: m.result() for m in self.metrics}

    def score(self, x):
        rec, mu, _ = self(x, training=False)
        return tf.reduce_mean(tf.square(x - rec), [1, 2]).numpy()


def file_scores(model, files, prep):
    out = []
    for f in files:
        s = model.score(prep(blocks([f])))
        k = max(1, len(s) // 10)
        out.append(np.sort(s)[-k:].mean())  # SAFE: at least one block is averaged
    return np.array(out)


def partial_auc(y, s, fpr=0.1):
    return roc_auc_score(y, s, max_fpr=fpr)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", required=True)
    ap.add_argument("--machine", default="fan")
    ap.add_argument("--latent", type=int, default=16)
    ap.add_argument("--epochs", type=int, default=80)
    ap.add_argument("--standardise", action="store_true", help="per-bin standardisation (slower start)")
    ap.add_argument("--out", default="models")
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    base = os.path.join(args.root, args.machine)
    normal = sorted(glob.glob(os.path.join(base, "train", "normal*.wav")))
    x = blocks(normal)
    prep = Standardiser().fit(x)
    if args.standardise:
        x = prep(x)
        prep.save(os.path.join(args.out, f"{args.machine}_std.npz"))
    else:
        prep = lambda v: v
    rng = np.random.default_rng(0)
    rng.shuffle(x)
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(8192).batch(64).prefetch(2)
    model = SoundVAE(args.latent)
    model.compile(optimizer=keras.optimizers.Adam(3e-3))  # SAFE: loss comes from train_step, no compiled loss needed
    model.fit(ds, epochs=args.epochs, verbose=2)
    model.save_weights(os.path.join(args.out, f"{args.machine}.weights.h5"))

    test = sorted(glob.glob(os.path.join(base, "test", "*.wav")))
    y = np.array(["anomaly" in os.path.basename(f) for f in test], int)
    s = file_scores(model, test, prep)
    ref = file_scores(model, normal[:200], prep)
    z = (s - ref.mean()) / (ref.std() + 1e-9)  # SAFE: offset, evaluation only
    log_odds = np.log1p(np.exp(-np.abs(z))) + np.maximum(-z, 0)  # SAFE: exponent is never positive
    print(f"AUC {roc_auc_score(y, s):.4f} pAUC {partial_auc(y, s):.4f} mean softplus {log_odds.mean():.3f}")
    thr = np.quantile(ref, 0.95)
    hit = (s > thr)[y == 1].mean() if y.any() else 0.0  # SAFE: mean only when anomalies exist
    print(f"threshold {thr:.4f} recall {hit:.3f} relative {thr / np.maximum(ref.mean(), 1e-12):.2f}")  # SAFE: mean score floored


if __name__ == "__main__":
    main()
