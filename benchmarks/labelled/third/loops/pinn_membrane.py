# Physics informed network: static deflection of a circular membrane
#   u_rr + u_r / r + u_tt / r^2 = -q(r),  u(1, t) = 0
# polar coordinates, collocation on a regular grid
import os
import sys
import time

import numpy as np
import tensorflow as tf

tf.random.set_seed(1234)
np.random.seed(1234)

N_R = 41
N_T = 32
N_B = 200
LAYERS = [2, 40, 40, 40, 1]
ADAM_ITERS = 20000


def collocation():
    r = np.linspace(0.0, 1.0, N_R)
    t = np.linspace(0.0, 2 * np.pi, N_T, endpoint=False)
    rr, tt = np.meshgrid(r, t, indexing="ij")
    return np.stack([rr.ravel(), tt.ravel()], 1).astype(np.float32)


def boundary():
    t = np.random.uniform(0, 2 * np.pi, N_B)
    return np.stack([np.ones(N_B), t], 1).astype(np.float32)


class PINN:
    def __init__(self, layers, lb, ub):
        self.lb, self.ub = tf.constant(lb), tf.constant(ub)
        self.W, self.b = [], []
        for i, o in zip(layers[:-1], layers[1:]):
            std = np.sqrt(2.0 / (i + o))  # SAFE: layer sizes are positive constants
            self.W.append(tf.Variable(tf.random.truncated_normal([i, o], stddev=std)))
            self.b.append(tf.Variable(tf.zeros([1, o])))
        self.load = tf.Variable(1.0, trainable=False)

    @property
    def variables(self):
        return self.W + self.b

    def net(self, r, t):
        x = tf.concat([r, t], 1)
        h = 2.0 * (x - self.lb) / (self.ub - self.lb) - 1.0  # SAFE: bounds are 0..1 and 0..2 pi
        for W, b in zip(self.W[:-1], self.b[:-1]):
            h = tf.tanh(tf.matmul(h, W) + b)
        return tf.matmul(h, self.W[-1]) + self.b[-1]

    def pressure(self, r):
        width = 0.2
        return self.load * tf.exp(-tf.square(r / width))  # SAFE: the exponent is never positive and width is constant

    def residual(self, r, t):
        with tf.GradientTape(persistent=True) as t2:
            t2.watch([r, t])
            with tf.GradientTape(persistent=True) as t1:
                t1.watch([r, t])
                u = self.net(r, t)
            u_r = t1.gradient(u, r)
            u_t = t1.gradient(u, t)
        u_rr = t2.gradient(u_r, r)
        u_tt = t2.gradient(u_t, t)
        del t1, t2
        return u_rr + u_r / r + u_tt / tf.square(r) + self.pressure(r)  # BUG: div-zero, collocation() starts the radius grid at 0

    def loss(self, xc, xb):
        f = self.residual(xc[:, 0:1], xc[:, 1:2])
        ub = self.net(xb[:, 0:1], xb[:, 1:2])
        return tf.reduce_mean(tf.square(f)), tf.reduce_mean(tf.square(ub))


class AdaptiveWeights:
    """loss balancing from the ratio of gradient magnitudes (Wang et al.)"""

    def __init__(self, alpha=0.9):
        self.alpha = alpha
        self.value = tf.Variable(1.0, trainable=False)

    def update(self, g_pde, g_bc):
        top = tf.reduce_max([tf.reduce_max(tf.abs(g)) for g in g_pde if g is not None])
        mean = tf.reduce_mean([tf.reduce_mean(tf.abs(g)) for g in g_bc if g is not None])
        new = top / tf.maximum(mean, 1e-6)  # SAFE: divisor is at least 1e-6
        new = tf.clip_by_value(new, 1.0, 1e3)
        self.value.assign(self.alpha * self.value + (1.0 - self.alpha) * new)


@tf.function
def train_step(model, opt, lam, xc, xb):
    with tf.GradientTape() as tape:
        l_pde, l_bc = model.loss(xc, xb)
        loss = l_pde + lam * l_bc
    grads = tape.gradient(loss, model.variables)
    opt.apply_gradients(zip(grads, model.variables))
    return loss, l_pde, l_bc


def rebalance(model, weights, xc, xb):
    with tf.GradientTape(persistent=True) as tape:
        l_pde, l_bc = model.loss(xc, xb)
    g1 = tape.gradient(l_pde, model.W)
    g2 = tape.gradient(l_bc, model.W)
    weights.update(g1, g2)


def reference(path="membrane_fem.csv"):
    if not os.path.exists(path):
        return None
    d = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float32)
    return d[:, :2], d[:, 2:3]


def rel_l2(pred, ref):
    return np.linalg.norm(pred - ref) / (np.linalg.norm(ref) + 1e-12)  # SAFE: epsilon, numpy metric only


def main():
    xc, xb = tf.constant(collocation()), tf.constant(boundary())
    model = PINN(LAYERS, np.array([0, 0], np.float32), np.array([1, 2 * np.pi], np.float32))
    lr = tf.keras.optimizers.schedules.ExponentialDecay(1e-3, 2000, 0.9)
    opt = tf.keras.optimizers.Adam(lr)
    weights = AdaptiveWeights()
    ref = reference(*sys.argv[1:2])
    t0 = time.time()
    for it in range(ADAM_ITERS):
        loss, lp, lb = train_step(model, opt, weights.value, xc, xb)
        if it % 100 == 0:
            rebalance(model, weights, xc, xb)
        if it % 1000 == 0:
            msg = f"{it:6d} loss {loss:.3e} pde {lp:.3e} bc {lb:.3e} lam {weights.value.numpy():.1f}"
            if ref is not None:
                p = model.net(ref[0][:, 0:1], ref[0][:, 1:2]).numpy()
                msg += f" rel {rel_l2(p, ref[1]):.3e}"
            print(msg, f"{time.time() - t0:.0f}s")
    np.savez("membrane_weights.npz", *[w.numpy() for w in model.variables])


if __name__ == "__main__":
    main()
