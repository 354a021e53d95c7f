"""Zero-inflated count autoencoder for single-cell data (cells x genes, raw UMI counts)."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def load(path):
    d = np.load(path)
    x = d["counts"].astype(np.float32)
    keep = x.sum(1) > 0
    return x[keep]


def size_factors(x):
    lib = x.sum(1, keepdims=True)
    return lib / np.median(lib)  # SAFE: load keeps cells with at least one count, so the median is positive


def log_normalise(x, sf):
    z = np.log1p(x / sf)  # SAFE: size factors are positive for the kept cells
    sd = z.std(0)
    return ((z - z.mean(0)) / np.where(sd > 0, sd, 1.0)).astype(np.float32)  # SAFE: genes without spread divide by 1


class ZINB(tf.keras.Model):
    def __init__(self, genes, latent=8, hidden=64):
        super().__init__()
        self.enc = tf.keras.Sequential([layers.Dense(hidden, activation="elu"), layers.Dense(latent)])
        self.dec = tf.keras.Sequential([layers.Dense(hidden, activation="elu")])
        self.rate = layers.Dense(genes)
        self.disp = layers.Dense(genes)
        self.drop = layers.Dense(genes)

    def call(self, x, sf):
        h = self.dec(self.enc(x))
        mu = tf.exp(tf.clip_by_value(self.rate(h), -10.0, 10.0)) * sf  # SAFE: clipped exponent
        theta = 1e-4 + tf.nn.softplus(tf.minimum(self.disp(h), 1e4))
        return mu, theta, self.drop(h)


def negative_binomial(x, mu, theta):
    t1 = tf.math.lgamma(x + theta) - tf.math.lgamma(theta) - tf.math.lgamma(x + 1.0)  # SAFE: theta is at least 1e-4
    t2 = theta * (tf.math.log(theta) - tf.math.log(theta + mu))  # SAFE: theta is at least 1e-4, mu is positive
    t3 = x * (tf.math.log(mu + 1e-8) - tf.math.log(theta + mu))  # SAFE: mu is positive and at least exp(-10) * sf
    return t1 + t2 + t3


def zinb_nll(x, mu, theta, logit):
    nb = negative_binomial(x, mu, theta)
    log_pi, log_not = tf.math.log_sigmoid(logit), tf.math.log_sigmoid(-logit)  # SAFE: log_sigmoid is stable
    zero = tf.reduce_logsumexp(tf.stack([log_pi, log_not + nb]), axis=0)  # SAFE: shifted log-sum-exp of finite terms
    ll = tf.where(x < 0.5, zero, log_not + nb)
    return -tf.reduce_mean(tf.reduce_sum(ll, -1))


def deviance(x, mu):
    """Poisson deviance, added as a regulariser on the mean."""
    ratio = tf.where(mu < x, tf.math.log(mu / x), tf.zeros_like(mu))  # BUG: where-grad, x is 0 for most genes, mu / x is inf in the branch that is not taken and its gradient 0 * inf is NaN
    return tf.reduce_mean(mu - x - x * ratio)


def total_variation(mu):
    p = mu / tf.reduce_sum(mu, -1, keepdims=True)  # SAFE: mu is positive
    q = tf.reduce_mean(p, 0, keepdims=True)
    return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.abs(p - q), -1))


@tf.function
def train_step(model, opt, z, x, sf, weight):
    with tf.GradientTape() as tape:
        mu, theta, logit = model(z, sf)
        loss = zinb_nll(x, mu, theta, logit)
        loss += weight * deviance(x, mu)
        loss += 1e-3 * tf.reduce_mean(tf.square(logit))
    g, norm = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), 5.0)
    opt.apply_gradients(zip(g, model.trainable_variables))
    return loss, norm


def zero_fraction(x, mu, theta, logit):
    pi = tf.sigmoid(logit)
    p0 = tf.pow(theta / (theta + mu), theta)  # SAFE: report only, base is in 0..1 and positive
    return float(tf.reduce_mean(pi + (1 - pi) * p0)), float(np.mean(x == 0))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="pbmc.npz")
    ap.add_argument("--epochs", type=int, default=100)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--deviance-weight", type=float, default=0.1)
    a = ap.parse_args()
    tf.keras.utils.set_random_seed(0)
    x = load(a.data)
    sf = size_factors(x).astype(np.float32)
    z = log_normalise(x, sf)
    model, opt = ZINB(x.shape[1]), tf.keras.optimizers.Adam(a.lr)
    ds = tf.data.Dataset.from_tensor_slices((z, x, sf)).shuffle(len(x)).batch(a.batch)
    for epoch in range(a.epochs):
        for zb, xb, sb in ds:
            loss, norm = train_step(model, opt, zb, xb, sb, tf.constant(a.deviance_weight))
        out = model(z[:500], sf[:500])
        print(epoch, float(loss), float(norm), zero_fraction(x[:500], *out), float(total_variation(out[0])))
    np.save("latent.npy", model.enc(z).numpy())


if __name__ == "__main__":
    main()
