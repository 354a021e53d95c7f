import argparse
import glob
import os

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import config as C
from frontend import log_mel, loudness_normalise, to_linear
from quantizer import EmaQuantizer, cosine_codes


def encoder():
    x = inp = keras.Input((C.FRAMES, C.N_MELS, 1))
    for f in (16, 32):
        x = layers.Conv2D(f, 4, strides=2, padding="same", activation="gelu")(x)
        x = layers.LayerNormalization(epsilon=1e-5)(x)  # SAFE: float32 policy, epsilon inside the root
    return keras.Model(inp, layers.Conv2D(C.DIM, 1)(x), name="enc")


def decoder():
    x = inp = keras.Input((C.FRAMES // 4, C.N_MELS // 4, C.DIM))
    for f in (32, 16):
        x = layers.Conv2DTranspose(f, 4, strides=2, padding="same", activation="gelu")(x)
    return keras.Model(inp, layers.Conv2D(2, 3, padding="same")(x), name="dec")


def laplace_nll(x, params):
    """Heteroscedastic Laplace likelihood of the normalised log mel."""
    mu, raw = params[..., :1], params[..., 1:]
    b = tf.nn.softplus(raw) + 1e-3
    return tf.reduce_mean(tf.abs(x - mu) / b + tf.math.log(2.0 * b))  # SAFE: b >= 1e-3


def spectral_flatness(x):
    p = tf.square(to_linear(x)) + 1e-12
    g = tf.exp(tf.reduce_mean(tf.math.log(p), axis=2))  # SAFE: p >= 1e-12 and at most 1e4, the mean log is bounded by 9.3
    return g / tf.reduce_mean(p, axis=2)  # SAFE: mean of values >= 1e-12, metric only


class MelVqVae(keras.Model):
    def __init__(self):
        super().__init__()
        self.enc, self.vq, self.dec = encoder(), EmaQuantizer(), decoder()
        self.trackers = [keras.metrics.Mean(name=n) for n in ("nll", "perplexity", "flat_err")]

    @property
    def metrics(self):
        return self.trackers

    def call(self, x, training=False):
        z, perp = self.vq(self.enc(x, training=training), training=training)
        return self.dec(z, training=training), perp

    def train_step(self, x):
        with tf.GradientTape() as tape:
            out, perp = self(x, training=True)
            nll = laplace_nll(x, out)
            loss = nll + tf.add_n(self.losses)
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        err = tf.reduce_mean(tf.abs(spectral_flatness(out[..., :1]) - spectral_flatness(x)))
        for t, val in zip(self.trackers, (nll, perp, err)):
            t.update_state(val)
        return {t.name: t.result() for t in self.trackers}


@keras.saving.register_keras_serializable("melvq")
class InverseSqrt(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup):
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):
        s = tf.cast(step, tf.float32) + 1.0
        w = float(self.warmup)
        return self.peak * tf.minimum(s / w, tf.sqrt(w) * tf.math.rsqrt(s))  # SAFE: s starts at 1, WARMUP is 500

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}


def clips(folder):
    n = C.FRAMES * C.HOP
    rng = np.random.default_rng(0)
    for f in glob.glob(os.path.join(folder, "*.npy")):
        w = np.load(f).astype(np.float32)
        w = np.pad(w, (0, max(0, n - len(w))))
        o = rng.integers(0, len(w) - n + 1)
        yield w[o:o + n]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--out", default="melvq.weights.h5")
    a = ap.parse_args()
    keras.mixed_precision.set_dtype_policy(C.POLICY)
    ds = tf.data.Dataset.from_generator(lambda: clips(a.folder), output_signature=tf.TensorSpec([C.FRAMES * C.HOP]))
    ds = ds.map(lambda w: log_mel(loudness_normalise(w))[..., None]).shuffle(512).batch(C.BATCH, drop_remainder=True)
    model = MelVqVae()
    model.compile(optimizer=keras.optimizers.Adam(InverseSqrt(C.LR, C.WARMUP), clipnorm=1.0))
    model.fit(ds, epochs=C.EPOCHS)
    model.save_weights(a.out)
    sim = cosine_codes(model.vq.codes)
    print("mean code similarity", float(tf.reduce_mean(tf.abs(sim))))


if __name__ == "__main__":
    main()
