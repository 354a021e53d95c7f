"""Weight uncertainty (Blundell 2015) for the UCI regression sets, with a learned noise level."""
import argparse
import math

import numpy as np
import tensorflow as tf

LOG_2PI = math.log(2 * math.pi)


def normal_log_prob(x, loc, scale):
    return -0.5 * tf.square((x - loc) / scale) - tf.math.log(scale) - 0.5 * LOG_2PI  # SAFE: callers pass softplus + 1e-5, exp of a bounded value or a positive constant


class ScaleMixturePrior:
    def __init__(self, pi=0.5, sigma1=1.0, sigma2=math.exp(-6)):
        self.log_pi = (math.log(pi), math.log1p(-pi))  # SAFE: pi is the constant 0.5
        self.s1, self.s2 = sigma1, sigma2

    def log_prob(self, w):
        a = self.log_pi[0] + normal_log_prob(w, 0.0, tf.constant(self.s1))
        b = self.log_pi[1] + normal_log_prob(w, 0.0, tf.constant(self.s2))
        return tf.reduce_sum(tf.reduce_logsumexp(tf.stack([a, b]), axis=0))  # SAFE: logsumexp of two finite log densities


class VariationalDense(tf.keras.layers.Layer):
    def __init__(self, units, prior, activation=None):
        super().__init__()
        self.units, self.prior = units, prior
        self.act = tf.keras.activations.get(activation)

    def build(self, shape):
        d = int(shape[-1])
        mu_init = tf.keras.initializers.RandomNormal(stddev=1.0 / math.sqrt(d))  # SAFE: d is the number of inputs, at least 1
        rho_init = tf.keras.initializers.RandomUniform(-5.0, -4.0)
        self.w_mu = self.add_weight(name="w_mu", shape=(d, self.units), initializer=mu_init)
        self.w_rho = self.add_weight(name="w_rho", shape=(d, self.units), initializer=rho_init)
        self.b_mu = self.add_weight(name="b_mu", shape=(self.units,), initializer="zeros")
        self.b_rho = self.add_weight(name="b_rho", shape=(self.units,), initializer=rho_init)
        self.kl = 0.0

    def _draw(self, mu, rho):
        sigma = tf.nn.softplus(rho) + 1e-5
        w = mu + sigma * tf.random.normal(tf.shape(mu))
        log_q = tf.reduce_sum(normal_log_prob(w, mu, sigma))
        return w, log_q - self.prior.log_prob(w)

    def call(self, x, sample=True):
        if not sample:
            return self.act(tf.matmul(x, self.w_mu) + self.b_mu), 0.0
        w, kw = self._draw(self.w_mu, self.w_rho)
        b, kb = self._draw(self.b_mu, self.b_rho)
        return self.act(tf.matmul(x, w) + b), kw + kb

    def signal_to_noise(self):
        s = tf.nn.softplus(self.w_rho) + 1e-5
        ratio = tf.abs(self.w_mu) / s  # SAFE: s >= 1e-5
        return 10.0 * tf.math.log(ratio + 1e-8) / math.log(10.0)  # SAFE: epsilon, ratio >= 0, not differentiated


class BNN(tf.keras.Model):
    def __init__(self, hidden, prior):
        super().__init__()
        self.l1 = VariationalDense(hidden, prior, "relu")
        self.l2 = VariationalDense(hidden, prior, "relu")
        self.l3 = VariationalDense(1, prior)
        self.log_noise = tf.Variable(0.0, name="log_noise")

    def call(self, x, sample=True):
        kl = 0.0
        for l in (self.l1, self.l2, self.l3):
            x, k = l(x, sample=sample)
            kl = kl + k
        return tf.squeeze(x, -1), kl

    @property
    def noise(self):
        return tf.exp(5.0 * tf.tanh(self.log_noise / 5.0))  # SAFE: the exponent stays in [-5, 5]


def elbo_loss(model, x, y, n_samples, kl_weight):
    nll = kl = 0.0
    for _ in range(n_samples):
        f, k = model(x)
        nll -= tf.reduce_sum(normal_log_prob(y, f, model.noise))
        kl += k
    return (kl_weight * kl + nll) / n_samples, nll / n_samples  # SAFE: n_samples is a positive integer option


def minibatch_weight(i, m):
    """pi_i = 2^(M-i) / (2^M - 1), computed for large M too"""
    return 2.0 ** (-float(i)) / (1.0 - 2.0 ** (-float(min(m, 1000)))) if i < 1000 else 0.0  # SAFE: m >= 1, so the divisor is at least 0.5


def predictive_log_lik(model, x, y, k=50):
    lp = [normal_log_prob(y, model(x)[0], model.noise) for _ in range(k)]
    return float(tf.reduce_mean(tf.reduce_logsumexp(tf.stack(lp), 0)) - math.log(k))  # SAFE: k is 50


def load(path, seed):
    d = np.loadtxt(path).astype(np.float64)
    order = np.random.RandomState(seed).permutation(len(d))
    cut = int(0.9 * len(d))
    tr, te = d[order[:cut]], d[order[cut:]]
    mu, sd = tr.mean(0), tr.std(0)
    sd[sd == 0] = 1.0
    f = lambda z: (((z - mu) / sd)[:, :-1].astype(np.float32), ((z - mu) / sd)[:, -1].astype(np.float32))  # SAFE: constant columns have sd 1
    return f(tr), f(te), sd[-1]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="boston.txt")
    ap.add_argument("--hidden", type=int, default=50)
    ap.add_argument("--epochs", type=int, default=200)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--samples", type=int, default=2)
    a = ap.parse_args()
    (xt, yt), (xv, yv), y_sd = load(a.data, 0)
    model = BNN(a.hidden, ScaleMixturePrior())
    model(xt[:2])
    variables = model.trainable_variables
    opt = tf.keras.optimizers.Adam(1e-3)

    @tf.function
    def step(x, y, w):
        with tf.GradientTape() as tape:
            loss, nll = elbo_loss(model, x, y, a.samples, w)
        g = tape.gradient(loss, variables)
        g, _ = tf.clip_by_global_norm(g, 100.0)
        opt.apply_gradients(zip(g, variables))
        return loss, nll

    ds = tf.data.Dataset.from_tensor_slices((xt, yt)).shuffle(10000).batch(a.batch)
    m = max(-(-len(xt) // a.batch), 1)
    for ep in range(a.epochs):
        for i, (x, y) in enumerate(ds, 1):
            loss, nll = step(x, y, tf.constant(minibatch_weight(i, m), tf.float32))
        if ep % 10 == 0:
            rmse = y_sd * float(tf.sqrt(tf.reduce_mean(tf.square(model(xv, sample=False)[0] - yv))))  # SAFE: outside of the tape, a root of 0 is 0
            print(ep, float(loss), "rmse", rmse, "ll", predictive_log_lik(model, xv, yv))


if __name__ == "__main__":
    main()
