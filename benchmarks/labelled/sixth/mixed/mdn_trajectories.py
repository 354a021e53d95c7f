"""Mixture density network for pedestrian steps (dx, dy), sequence model."""
import argparse
import math
import os
import numpy as np
import tensorflow as tf

K = 5


def load_tracks(path, obs=8):
    """Rows: frame, ped, x, y. Returns windows of displacement vectors in metres."""
    raw = np.loadtxt(path)
    xs, ys = [], []
    for ped in np.unique(raw[:, 1]):
        t = raw[raw[:, 1] == ped][:, 2:4]
        d = np.diff(t, axis=0)
        for s in range(len(d) - obs):
            xs.append(d[s:s + obs])
            ys.append(d[s + obs])
    return np.array(xs, "float32"), np.array(ys, "float32")


def rotate_heading(x, y):
    h = np.arctan2(x[:, -1, 1], x[:, -1, 0])  # SAFE: arctan2 is defined at the origin, numpy preprocessing
    c, s = np.cos(-h), np.sin(-h)
    R = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    return np.einsum("nij,ntj->nti", R, x).astype("float32"), np.einsum("nij,nj->ni", R, y).astype("float32")


class MDN(tf.keras.Model):
    def __init__(self, units=64, full_cov=False):
        super().__init__()
        self.rnn = tf.keras.layers.GRU(units)
        self.h = tf.keras.layers.Dense(units, activation="relu")
        self.out = tf.keras.layers.Dense(K * 6)

    def call(self, x, training=False):
        o = self.out(self.h(self.rnn(x)))
        pi, mux, muy, sx, sy, rho = tf.split(o, 6, axis=-1)
        pi = tf.nn.softmax(pi)
        sx = tf.nn.softplus(sx) + 1e-3
        sy = tf.nn.softplus(sy) + 1e-3
        rho = 0.95 * tf.tanh(rho)
        return pi, mux, muy, sx, sy, rho


def bivariate_pdf(y, mux, muy, sx, sy, rho):
    zx = (y[:, 0:1] - mux) / sx  # SAFE: standard deviations are softplus plus 1e-3
    zy = (y[:, 1:2] - muy) / sy
    om = 1.0 - tf.square(rho)
    z = tf.square(zx) + tf.square(zy) - 2.0 * rho * zx * zy
    norm = 2.0 * math.pi * sx * sy * tf.sqrt(om)  # SAFE: |rho| is at most 0.95, om at least 0.0975
    return tf.exp(-z / (2.0 * om)) / norm  # SAFE: z is a non-negative quadratic form, norm is at least 2e-6


def mixture_nll(params, y):
    pi, *rest = params
    lik = tf.reduce_sum(pi * bivariate_pdf(y, *rest), axis=-1)
    return -tf.reduce_mean(tf.math.log(lik))  # BUG: log-zero, a step far from every component has density exp(-large) = 0 in float32


def entropy_pi(pi):
    return -tf.reduce_sum(tf.math.xlogy(pi, pi), -1)  # SAFE: xlogy is 0 at 0 and this is only a metric


def best_mode(params):
    pi, mux, muy = params[:3]
    k = tf.argmax(pi, -1)
    return tf.stack([tf.gather(mux, k, batch_dims=1), tf.gather(muy, k, batch_dims=1)], -1)


def ade(params, y):
    return tf.reduce_mean(tf.norm(best_mode(params) - y, axis=-1))  # SAFE: metric without gradient, norm of zero is zero


def sample(params, rng):
    pi, mux, muy, sx, sy, rho = [p.numpy() for p in params]
    out = np.zeros((len(pi), 2))
    for n in range(len(pi)):
        p = pi[n].astype("float64")
        k = rng.choice(K, p=p / p.sum())  # SAFE: softmax weights sum to about 1
        c = rho[n, k] * sx[n, k] * sy[n, k]
        out[n] = rng.multivariate_normal([mux[n, k], muy[n, k]], [[sx[n, k] ** 2, c], [c, sy[n, k] ** 2]])
    return out


def train(model, opt, ds, epochs, log=print):
    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = mixture_nll(model(x, training=True), y)
        v = model.trainable_variables
        g = [tf.clip_by_value(t, -5.0, 5.0) for t in tape.gradient(loss, v)]
        opt.apply_gradients(zip(g, v))
        return loss
    for ep in range(epochs):
        m = tf.keras.metrics.Mean()
        for x, y in ds:
            m.update_state(step(x, y))
        log("epoch %d nll %.4f" % (ep, float(m.result())))


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="eth/univ.txt")
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--out", default="ckpt")
    a = ap.parse_args()
    x, y = rotate_heading(*load_tracks(a.data))
    n = int(len(x) * 0.9)
    net = MDN()
    train(net, tf.keras.optimizers.Adam(a.lr), tf.data.Dataset.from_tensor_slices((x[:n], y[:n])).shuffle(10000).batch(128), a.epochs)
    p = net(x[n:])
    print("ADE", float(ade(p, y[n:])), "entropy", float(tf.reduce_mean(entropy_pi(p[0]))))
    os.makedirs(a.out, exist_ok=True)
    net.save_weights(os.path.join(a.out, "mdn.weights.h5"))
