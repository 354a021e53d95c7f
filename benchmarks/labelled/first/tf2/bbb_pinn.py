"""Bayes-by-backprop regression used as the surrogate in a PINN for 1-d eikonal / Burgers. Thesis code, chapter 4."""
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, Model, optimizers

NU = 0.01 / np.pi  # SAFE: constant


def log_gaussian(x, mu, sigma):
    return -0.5 * np.log(2 * np.pi) - tf.math.log(sigma) - 0.5 * tf.square((x - mu) / sigma)  # SAFE: constant; sigma is softplus + 1e-6 or a positive prior


class ScalePrior:
    """two gaussians, as in the paper"""

    def __init__(self, s1=1.0, s2=0.0025, pi=0.5):
        self.s1, self.s2, self.pi = s1, s2, pi

    def log_prob_naive(self, w):
        p1 = tf.exp(log_gaussian(w, 0.0, self.s1))
        p2 = tf.exp(log_gaussian(w, 0.0, self.s2))  # SAFE: log density at most 5.1 for s2 = 0.0025
        return tf.math.log(self.pi * p1 + (1 - self.pi) * p2)  # MAYBE: zero only for a weight beyond 13 or so, tanh nets stay below

    def log_prob(self, w):
        a = np.log(self.pi) + log_gaussian(w, 0.0, self.s1)  # SAFE: pi 0.5
        b = np.log(1 - self.pi) + log_gaussian(w, 0.0, self.s2)  # SAFE: pi 0.5
        return tf.reduce_logsumexp(tf.stack([a, b]), axis=0)  # SAFE: logsumexp


class BayesDense(layers.Layer):
    def __init__(self, units, prior, act=None, **kw):
        super().__init__(**kw)
        self.units = units
        self.prior = prior
        self.act = tf.keras.activations.get(act)

    def build(self, s):
        n = s[-1]
        lim = np.sqrt(6.0 / (n + self.units))  # SAFE: shapes
        self.mu = self.add_weight(name="mu", shape=(n, self.units), initializer=tf.keras.initializers.RandomUniform(-lim, lim))
        self.rho = self.add_weight(name="rho", shape=(n, self.units), initializer=tf.keras.initializers.Constant(-5.0))
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")

    def call(self, x):
        sigma = tf.nn.softplus(self.rho) + 1e-6
        w = self.mu + sigma * tf.random.normal(tf.shape(self.mu))
        kl = tf.reduce_sum(log_gaussian(w, self.mu, sigma) - self.prior.log_prob(w))  # SAFE: sigma = softplus + 1e-6
        self.add_loss(kl / 2000.0)  # SAFE: constant
        return self.act(tf.matmul(x, w) + self.b)


class NoiseHead(layers.Layer):
    """per point noise, softplus written out by hand"""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.d = layers.Dense(1)

    def call(self, raw):
        s = self.d(raw)
        return tf.math.log(1.0 + tf.exp(s))  # BUG: exp-overflow, called on the raw sensor counts (thousands), exp(s) is inf and its gradient inf/inf


class Surrogate(Model):
    def __init__(self, bayes=True):
        super().__init__()
        prior = ScalePrior()
        if bayes:
            self.ls = [BayesDense(50, prior, "tanh"), BayesDense(50, prior, "tanh"), BayesDense(1, prior)]
        else:
            self.ls = [layers.Dense(50, "tanh"), layers.Dense(50, "tanh"), layers.Dense(1)]
        self.noise = NoiseHead()

    def call(self, xt):
        h = xt
        for l in self.ls:
            h = l(h)
        return h


def burgers_residual(net, x, t):
    with tf.GradientTape() as t2:
        t2.watch(x)
        with tf.GradientTape(persistent=True) as t1:
            t1.watch([x, t])
            u = net(tf.concat([x, t], 1))
        ux = t1.gradient(u, x)
        ut = t1.gradient(u, t)
    uxx = t2.gradient(ux, x)
    return ut + u * ux - NU * uxx


def eikonal_residual(net, x, y):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, y])
        T = net(tf.concat([x, y], 1))
    tx, ty = tape.gradient(T, x), tape.gradient(T, y)
    speed = 1.0 + 0.5 * tf.sin(x) ** 2
    return tf.sqrt(tx ** 2 + ty ** 2) - 1.0 / speed  # MAYBE: sqrt of a squared gradient, zero only where the travel time has an exact stationary point


def relative_l2(u, ref):
    return tf.norm(u - ref) / tf.norm(ref)  # SAFE: reported error, no gradient, reference is not zero


def radial(x, y):
    r = tf.sqrt(x ** 2 + y ** 2 + 1e-8)  # SAFE: 1e-8 in the root, float32
    return r, tf.math.atan2(y, x)  # SAFE: inputs, not trained through


class Trainer:
    def __init__(self, net, lr=1e-3, adaptive=True):
        self.net = net
        sched = optimizers.schedules.ExponentialDecay(lr, 1000, 0.9)
        self.opt = optimizers.Adam(sched)  # SAFE: starts at 1e-3
        self.adaptive = adaptive
        self.s_pde = tf.Variable(0.0)
        self.s_data = tf.Variable(0.0)

    @tf.function
    def step(self, xc, tc, xd, td, ud, counts):
        with tf.GradientTape() as tape:
            f = burgers_residual(self.net, xc, tc)
            l_pde = tf.reduce_mean(tf.square(f))
            u = self.net(tf.concat([xd, td], 1))
            sg = self.net.noise(counts) + 1e-3
            l_data = tf.reduce_mean(0.5 * tf.square((u - ud) / sg) + tf.math.log(sg))  # SAFE: here sg is at least 1e-3
            if self.adaptive:
                loss = l_pde * tf.exp(-self.s_pde) + self.s_pde + l_data * tf.exp(-self.s_data) + self.s_data  # MAYBE: learned log variances; a residual that goes to 0 drives s to minus infinity slowly
            else:
                loss = l_pde + l_data
            loss += tf.add_n(self.net.losses)
        vs = self.net.trainable_variables + [self.s_pde, self.s_data]
        g = tape.gradient(loss, vs)
        self.opt.apply_gradients((a, b) for a, b in zip(g, vs) if a is not None)
        return loss


def main():
    r = np.random.default_rng(1)
    col = lambda n, a, b: tf.constant(r.uniform(a, b, (n, 1)), tf.float32)
    xc, tc, xd, td = col(5000, -1, 1), col(5000, 0, 1), col(300, -1, 1), tf.zeros((300, 1))
    ud = -tf.sin(np.pi * xd)
    counts = tf.constant(r.integers(500, 40000, (300, 3)), tf.float32)  # photomultiplier counts of the three sensors
    tr = Trainer(Surrogate())
    for i in range(10000):
        l = tr.step(xc, tc, xd, td, ud, counts)
        if i % 500 == 0:
            e = relative_l2(tr.net(tf.concat([xd, td], 1)), ud)
            print(i, float(l), float(e), float(tf.math.log(l)))  # SAFE: printing
    net2 = Surrogate(bayes=False)
    opt = optimizers.Adam(1e-3)
    for i in range(2000):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(eikonal_residual(net2, xc, tc) ** 2)
        g = tape.gradient(loss, net2.trainable_variables)
        opt.apply_gradients((a, b) for a, b in zip(g, net2.trainable_variables) if a is not None)


if __name__ == "__main__":
    main()
