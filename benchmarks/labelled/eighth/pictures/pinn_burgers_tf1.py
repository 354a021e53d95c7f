"""Inverse Burgers problem in graph mode: identify lambda_1, lambda_2 from scattered data.

Kept on compat.v1 because the L-BFGS bridge and the plotting scripts expect a session.
"""
import argparse
import time

import numpy as np
import scipy.io
import tensorflow as tf

tf1 = tf.compat.v1
tf1.disable_v2_behavior()


class BurgersPINN:
    def __init__(self, X, u, layers, lb, ub, lr=1e-3, seed=1234):
        self.lb, self.ub = lb, ub
        self.layers = layers
        tf1.set_random_seed(seed)
        self.weights, self.biases = self.init_net(layers)
        self.lambda_1 = tf1.Variable([0.0], dtype=tf.float32)
        self.lambda_2 = tf1.Variable([-6.0], dtype=tf.float32)
        self.x_ph = tf1.placeholder(tf.float32, [None, 1])
        self.t_ph = tf1.placeholder(tf.float32, [None, 1])
        self.u_ph = tf1.placeholder(tf.float32, [None, 1])
        self.u_pred = self.net_u(self.x_ph, self.t_ph)
        self.f_pred = self.net_f(self.x_ph, self.t_ph)
        self.loss_u = tf.reduce_mean(tf.square(self.u_ph - self.u_pred))
        self.loss_f = tf.reduce_mean(tf.square(self.f_pred))
        self.loss = self.loss_u + self.loss_f
        self.log_loss = tf1.log(self.loss + 1e-12)  # SAFE: non-negative loss plus offset, only monitored
        self.global_step = tf1.train.get_or_create_global_step()
        rate = tf1.train.exponential_decay(lr, self.global_step, 5000, 0.9)  # SAFE: decay steps constant
        opt = tf1.train.AdamOptimizer(rate)
        gv = [(g, v) for g, v in opt.compute_gradients(self.loss) if g is not None]
        grads, self.gnorm = tf.clip_by_global_norm([g for g, _ in gv], 100.0)  # SAFE: handles zero norm
        self.train_op = opt.apply_gradients(list(zip(grads, [v for _, v in gv])), self.global_step)
        self.X, self.u = X, u
        self.saver = tf1.train.Saver(max_to_keep=2)
        self.sess = tf1.Session()
        self.sess.run(tf1.global_variables_initializer())

    def init_net(self, layers):
        W, B = [], []
        for a, b in zip(layers[:-1], layers[1:]):
            std = np.sqrt(2.0 / (a + b))  # SAFE: layer widths are positive
            W.append(tf1.Variable(tf1.truncated_normal([a, b], stddev=std), dtype=tf.float32))
            B.append(tf1.Variable(tf.zeros([1, b])))
        return W, B

    def net(self, X):
        H = 2.0 * (X - self.lb) / (self.ub - self.lb) - 1.0  # SAFE: domain bounds differ in x and t
        for W, b in zip(self.weights[:-1], self.biases[:-1]):
            H = tf.tanh(tf.add(tf.matmul(H, W), b))
        return tf.add(tf.matmul(H, self.weights[-1]), self.biases[-1])

    def net_u(self, x, t):
        return self.net(tf.concat([x, t], 1))

    def net_f(self, x, t):
        nu = tf.exp(tf.clip_by_value(self.lambda_2, -14.0, 2.0))  # SAFE: log viscosity clipped before exp
        u = self.net_u(x, t)
        u_t = tf.gradients(u, t)[0]
        u_x = tf.gradients(u, x)[0]
        u_xx = tf.gradients(u_x, x)[0]
        return u_t + self.lambda_1 * u * u_x - nu * u_xx

    def minibatch(self, n, rng):
        i = rng.choice(len(self.X), n, replace=False)
        return {self.x_ph: self.X[i, :1], self.t_ph: self.X[i, 1:], self.u_ph: self.u[i]}

    def train(self, iters, batch, out):
        rng = np.random.RandomState(0)
        t0 = time.time()
        hist = []
        for it in range(iters):
            feed = self.minibatch(batch, rng)
            self.sess.run(self.train_op, feed)
            if it % 200 == 0:
                l, lu, lf, l1, l2, gn = self.sess.run(
                    [self.log_loss, self.loss_u, self.loss_f, self.lambda_1, self.lambda_2, self.gnorm], feed)
                hist.append((it, l, lu, lf, l1[0], np.exp(l2[0])))
                print("It %d logL %.3f u %.2e f %.2e l1 %.4f nu %.6f |g| %.1e (%.1f s)" % (
                    it, l, lu, lf, l1[0], np.exp(np.clip(l2[0], -14, 2)), gn, time.time() - t0))  # SAFE: clipped before exp
                t0 = time.time()
            if it % 5000 == 4999:
                self.saver.save(self.sess, out, global_step=self.global_step)
        return np.array(hist)

    def predict(self, X):
        return self.sess.run([self.u_pred, self.f_pred], {self.x_ph: X[:, :1], self.t_ph: X[:, 1:]})


def load(path, n, noise, rng):
    d = scipy.io.loadmat(path)
    t, x = d["t"].flatten()[:, None], d["x"].flatten()[:, None]
    exact = np.real(d["usol"]).T
    XX, TT = np.meshgrid(x, t)
    X = np.hstack([XX.flatten()[:, None], TT.flatten()[:, None]])
    u = exact.flatten()[:, None]
    idx = rng.choice(len(X), n, replace=False)
    un = u[idx] + noise * np.std(u) * rng.randn(n, 1)
    return X, u, X[idx], un


def relative_l2(a, b):
    return np.linalg.norm(a - b, 2) / np.linalg.norm(a, 2)  # SAFE: the exact solution is a non-zero field


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--mat", default="data/burgers_shock.mat")
    ap.add_argument("--n", type=int, default=2000)
    ap.add_argument("--noise", type=float, default=0.01)
    ap.add_argument("--iters", type=int, default=60000)
    ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--out", default="ckpt/burgers")
    a = ap.parse_args()
    rng = np.random.RandomState(42)
    X, u, Xt, ut = load(a.mat, a.n, a.noise, rng)
    lb, ub = X.min(0).astype(np.float32), X.max(0).astype(np.float32)
    model = BurgersPINN(Xt.astype(np.float32), ut.astype(np.float32), [2] + [20] * 8 + [1], lb, ub)
    hist = model.train(a.iters, a.batch, a.out)
    up, _ = model.predict(X.astype(np.float32))
    print("relative error u %.3e" % relative_l2(u, up))
    l1, nu = hist[-1, 4], hist[-1, 5]
    true_nu = 0.01 / np.pi
    print("lambda_1 %.2f%%  nu %.2f%%" % (abs(l1 - 1.0) * 100, abs(nu - true_nu) / true_nu * 100))  # SAFE: constant 0.01/pi
    np.savetxt("burgers_history.txt", hist)


if __name__ == "__main__":
    main()
