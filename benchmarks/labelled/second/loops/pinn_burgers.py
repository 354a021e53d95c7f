"""Physics informed network for the viscous Burgers equation."""
import argparse
import math

import numpy as np
import tensorflow as tf

NU = 0.01 / math.pi


class Sine(tf.keras.layers.Layer):
    def __init__(self, omega=1.0, **kw):
        super().__init__(**kw)
        self.omega = omega

    def call(self, x):
        return tf.sin(self.omega * x)


class PINN(tf.keras.Model):
    def __init__(self, width=40, depth=4, lower=(0.0, -1.0), upper=(1.0, 1.0)):
        super().__init__()
        self.lower = tf.constant(lower, tf.float32)
        self.span = tf.constant(upper, tf.float32) - self.lower
        self.hidden = [tf.keras.layers.Dense(width, activation="tanh") for _ in range(depth)]
        self.out = tf.keras.layers.Dense(1)

    def call(self, tx):
        h = 2.0 * (tx - self.lower) / self.span - 1.0  # SAFE: the box has side 1 and 2
        for layer in self.hidden:
            h = layer(h)
        return self.out(h)

    def residual(self, tx):
        t, x = tx[:, :1], tx[:, 1:]
        with tf.GradientTape() as t2:
            t2.watch(x)
            with tf.GradientTape(persistent=True) as t1:
                t1.watch([t, x])
                u = self(tf.concat([t, x], axis=1))
            u_t = t1.gradient(u, t)
            u_x = t1.gradient(u, x)
        u_xx = t2.gradient(u_x, x)
        return u_t + u * u_x - NU * u_xx


class AdaptiveWeights(tf.Module):
    """Uncertainty style weights for the loss terms (Kendall et al.)."""

    def __init__(self, n):
        super().__init__()
        self.log_var = tf.Variable(tf.zeros([n]))

    def __call__(self, terms):
        s = 5.0 * tf.tanh(self.log_var / 5.0)  # SAFE: constant divisor
        return tf.reduce_sum(tf.exp(-s) * tf.stack(terms) + s)  # SAFE: s is bounded to [-5, 5] by tanh


def charbonnier(r, eps=1e-3):
    return tf.reduce_mean(tf.sqrt(tf.square(r) + eps * eps))  # SAFE: 1e-6 under the root


def relative_l2(u, ref):
    num = tf.reduce_sum(tf.square(u - ref))
    den = tf.reduce_sum(tf.square(ref))
    return tf.sqrt(num / tf.maximum(den, 1e-12))  # SAFE: evaluation only, denominator floored


def gradient_balance(grads_a, grads_b):
    """Ratio of the largest residual gradient to the mean data gradient (Wang et al.)."""
    top = tf.reduce_max([tf.reduce_max(tf.abs(g)) for g in grads_a])
    mean = tf.reduce_mean([tf.reduce_mean(tf.abs(g)) for g in grads_b])
    ratio = top / (mean + 1e-8)  # SAFE: mean of absolute values plus 1e-8
    return tf.clip_by_value(ratio, 0.1, 100.0)


def initial_condition(x):
    return -np.sin(math.pi * x)


def collocation(n, rng):
    """Half uniform, half clustered around the shock at x = 0."""
    t = rng.uniform(0.0, 1.0, size=(n, 1))
    u = rng.uniform(-1.0, 1.0, size=(n, 1))
    clustered = np.sign(u) * np.power(np.abs(u), 1.5)  # SAFE: fractional power of an absolute value
    x = np.where(np.arange(n)[:, None] % 2 == 0, u, clustered)
    return np.concatenate([t, x], axis=1).astype(np.float32)


def boundary(n, rng):
    t = rng.uniform(0.0, 1.0, size=(n, 1))
    side = np.where(rng.uniform(size=(n, 1)) < 0.5, -1.0, 1.0)
    x0 = rng.uniform(-1.0, 1.0, size=(n, 1))
    tx = np.concatenate([np.concatenate([t, side], 1), np.concatenate([0.0 * t, x0], 1)])
    u = np.concatenate([np.zeros((n, 1)), initial_condition(x0)])
    return tx.astype(np.float32), u.astype(np.float32)


class Trainer:
    def __init__(self, lr=1e-3, balance_every=100):
        self.model = PINN()
        self.weights = AdaptiveWeights(2)
        schedule = tf.keras.optimizers.schedules.ExponentialDecay(lr, 2000, 0.9)
        self.opt = tf.keras.optimizers.Adam(schedule)
        self.lam = tf.Variable(1.0, trainable=False)
        self.balance_every = max(1, balance_every)

    @tf.function
    def step(self, tx_f, tx_b, u_b):
        params = None
        with tf.GradientTape() as tape:
            res = charbonnier(self.model.residual(tx_f))
            data = tf.reduce_mean(tf.square(self.model(tx_b) - u_b))
            loss = self.weights([res, self.lam * data])
            params = self.model.trainable_variables + [self.weights.log_var]
        grads = tape.gradient(loss, params)
        grads, _ = tf.clip_by_global_norm(grads, 10.0)
        self.opt.apply_gradients(zip(grads, params))
        return res, data

    def rebalance(self, tx_f, tx_b, u_b):
        with tf.GradientTape(persistent=True) as tape:
            res = charbonnier(self.model.residual(tx_f))
            data = tf.reduce_mean(tf.square(self.model(tx_b) - u_b))
        v = [p for p in self.model.trainable_variables if p.shape.rank == 2]
        target = gradient_balance(tape.gradient(res, v), tape.gradient(data, v))
        self.lam.assign(0.9 * self.lam + 0.1 * target)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--steps", type=int, default=20000)
    p.add_argument("--n-f", type=int, default=4096)
    p.add_argument("--n-b", type=int, default=256)
    p.add_argument("--reference", default="data/burgers_ref.npz")
    args = p.parse_args()
    rng = np.random.default_rng(7)
    trainer = Trainer()
    for step in range(args.steps):
        tx_f = tf.constant(collocation(args.n_f, rng))
        tx_b, u_b = boundary(args.n_b, rng)
        res, data = trainer.step(tx_f, tf.constant(tx_b), tf.constant(u_b))
        if step % trainer.balance_every == 0:  # SAFE: balance_every is at least 1
            trainer.rebalance(tx_f, tf.constant(tx_b), tf.constant(u_b))
            print(f"{step} residual {res:.3e} data {data:.3e} log10 {np.log10(float(data) + 1e-30):.2f}")  # SAFE: logging, 1e-30 in double precision
    ref = np.load(args.reference)
    u = trainer.model(ref["tx"].astype(np.float32))
    print("relative l2", float(relative_l2(u, ref["u"].astype(np.float32))))


if __name__ == "__main__":
    main()
