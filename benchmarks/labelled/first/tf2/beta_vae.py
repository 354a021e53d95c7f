"""(beta-)VAE on MNIST with a train_step override, plus a VQ-ish Gumbel version for comparison."""
import argparse
import dataclasses
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


@dataclasses.dataclass
class Config:
    latent: int = 8
    beta: float = 4.0
    lr: float = 1e-3
    batch: int = 128
    epochs: int = 20
    eps: float = 1e-7
    min_logvar: float = -8.0
    max_logvar: float = 8.0
    tau0: float = 1.0
    tau_min: float = 0.3
    bits: int = 20


class Sampling(layers.Layer):
    def call(self, inputs):
        mean, log_var = inputs
        noise = tf.random.normal(tf.shape(mean))
        return mean + tf.exp(0.5 * log_var) * noise  # SAFE: both callers hand over a log_var clipped to [-8, 8]


def encoder(cfg):
    x = keras.Input((28, 28, 1))
    h = layers.Conv2D(32, 3, 2, "same", activation="relu")(x)
    h = layers.Conv2D(64, 3, 2, "same", activation="relu")(h)
    h = layers.Flatten()(h)
    h = layers.Dense(64, activation="relu")(h)
    mean = layers.Dense(cfg.latent)(h)
    log_var = layers.Dense(cfg.latent)(h)
    log_var = layers.Lambda(lambda t: tf.clip_by_value(t, cfg.min_logvar, cfg.max_logvar))(log_var)
    z = Sampling()([mean, log_var])
    return keras.Model(x, [mean, log_var, z], name="enc")


def decoder(n_in, act="sigmoid"):
    z = keras.Input((n_in,))
    h = layers.Dense(7 * 7 * 64, activation="relu")(z)
    h = layers.Reshape((7, 7, 64))(h)
    h = layers.Conv2DTranspose(64, 3, 2, "same", activation="relu")(h)
    h = layers.Conv2DTranspose(32, 3, 2, "same", activation="relu")(h)
    return keras.Model(z, layers.Conv2DTranspose(1, 3, padding="same", activation=act)(h), name="dec")


class BetaVAE(keras.Model):
    def __init__(self, cfg, **kw):
        super().__init__(**kw)
        self.cfg = cfg
        self.enc = encoder(cfg)
        self.dec = decoder(cfg.latent)
        self.eps = cfg.eps
        self.trackers = {k: keras.metrics.Mean(name=k) for k in ("loss", "rec", "kl")}

    @property
    def metrics(self):
        return list(self.trackers.values())

    def reconstruction(self, x, xhat):
        xhat = tf.clip_by_value(xhat, self.eps, 1.0 - self.eps)
        ll = x * tf.math.log(xhat) + (1.0 - x) * tf.math.log(1.0 - xhat)  # SAFE: clipped at eps 1e-7, still below 1 in float32
        return -tf.reduce_mean(tf.reduce_sum(ll, axis=(1, 2, 3)))

    def kl(self, mean, log_var):
        k = -0.5 * (1 + log_var - tf.square(mean) - tf.exp(log_var))  # SAFE: log_var clipped in the encoder
        return tf.reduce_mean(tf.reduce_sum(k, axis=1))

    def train_step(self, data):
        x = data[0] if isinstance(data, tuple) else data
        with tf.GradientTape() as tape:
            mean, log_var, z = self.enc(x, training=True)
            xhat = self.dec(z, training=True)
            rec = self.reconstruction(x, xhat)
            kl = self.kl(mean, log_var)
            loss = rec + self.cfg.beta * kl
        grads = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        for k, v in (("loss", loss), ("rec", rec), ("kl", kl)):
            self.trackers[k].update_state(v)
        return {k: t.result() for k, t in self.trackers.items()}


class BinaryConcreteVAE(keras.Model):
    """bits instead of gaussians"""

    def __init__(self, cfg, **kw):
        super().__init__(**kw)
        self.cfg = cfg
        self.enc = keras.Sequential([layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dense(cfg.bits)])
        self.dec = decoder(cfg.bits, act=None)
        self.tau = tf.Variable(cfg.tau0, trainable=False)

    def sample(self, logits):
        u = tf.random.uniform(tf.shape(logits), 1e-6, 1.0 - 1e-6)
        noise = tf.math.log(u) - tf.math.log(1.0 - u)  # SAFE: bounds given to uniform
        return tf.sigmoid((logits + noise) / self.tau)  # SAFE: tau starts at 1 and the callback keeps it at tau_min or above

    def kl(self, logits):
        q = tf.sigmoid(logits)
        t = q * tf.math.log(q / 0.5) + (1 - q) * tf.math.log((1 - q) / 0.5)  # BUG: zero-log-zero, a confident bit has q == 1 (logit above 17), 0*log(0)
        return tf.reduce_mean(tf.reduce_sum(t, axis=1))

    def train_step(self, x):
        with tf.GradientTape() as tape:
            logits = self.enc(x, training=True)
            out = self.dec(self.sample(logits), training=True)
            bce = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=out)  # SAFE: fused, decoder built with act=None
            rec = tf.reduce_mean(tf.reduce_sum(bce, axis=(1, 2, 3)))
            loss = rec + self.kl(logits)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        return {"loss": loss, "rec": rec}


class Anneal(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        cfg = self.model.cfg
        t = max(cfg.tau_min, cfg.tau0 * np.exp(-0.05 * epoch))  # SAFE: numpy, small negative exponent
        self.model.tau.assign(t)


def load(batch):
    (x, _), (xt, _) = keras.datasets.mnist.load_data()
    x = np.concatenate([x, xt])
    ds = tf.data.Dataset.from_tensor_slices(x[..., None])
    ds = ds.map(lambda i: tf.cast(i, tf.float32) / 255.0)  # SAFE: constant
    return ds.shuffle(10000).batch(batch, drop_remainder=True).prefetch(2)


def active_units(vae, ds):
    means = np.concatenate([vae.enc.predict_on_batch(b)[0] for b in ds.take(20)])
    v = means.var(axis=0)
    return np.sum(v > 1e-2), np.log(v)  # SAFE: diagnostics


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--beta", type=float, default=4.0)
    ap.add_argument("--model", default="gauss", choices=["gauss", "bits"])
    a = ap.parse_args()
    cfg = Config(beta=a.beta)
    ds = load(cfg.batch)
    if a.model == "gauss":
        vae = BetaVAE(cfg)
        vae.compile(optimizer=keras.optimizers.Adam(cfg.lr))  # SAFE: loss lives in train_step
        vae.fit(ds, epochs=cfg.epochs)
        print(active_units(vae, ds))
    else:
        vae = BinaryConcreteVAE(cfg)
        vae.compile(optimizer=keras.optimizers.Adam(cfg.lr))
        vae.fit(ds, epochs=cfg.epochs, callbacks=[Anneal()])


if __name__ == "__main__":
    main()
