# Polynomial regression of bike rentals on the weather, written for the
# "gradient descent by hand" lecture.  Uses the graph API.
import argparse
import csv
import math

import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()


def read_csv(path):
    temp, hum, wind, cnt = [], [], [], []
    with open(path) as f:
        for row in csv.DictReader(f):
            temp.append(float(row["temp_c"]))
            hum.append(float(row["humidity"]))
            wind.append(float(row["windspeed"]))
            cnt.append(float(row["count"]))
    return np.array([temp, hum, wind]).T, np.array(cnt)


def train_test(x, y, frac=0.75, seed=0):
    rng = np.random.RandomState(seed)
    p = rng.permutation(len(x))
    k = int(frac * len(x))
    return x[p[:k]], y[p[:k]], x[p[k:]], y[p[k:]]


def expand(x, degree):
    """[x1, x2, x3, x1^2, ...] up to the given degree."""
    cols = [x ** d for d in range(1, degree + 1)]
    return np.concatenate(cols, axis=1).astype(np.float32)


def normal_equation(x, y, ridge=1e-3):
    """Reference solution."""
    a = np.concatenate([np.ones((len(x), 1)), x], axis=1).astype(np.float64)
    s = np.abs(a).max(axis=0)
    s[s == 0] = 1.0
    a = a / s  # SAFE: zero columns are divided by 1
    w = np.linalg.solve(a.T @ a + ridge * np.eye(a.shape[1]), a.T @ y)  # SAFE: the ridge makes the matrix positive definite
    return w / s  # SAFE: zero scales were replaced by 1


def r_squared(y, p):
    ss = np.sum((y - y.mean()) ** 2)
    return 1.0 - np.sum((y - p) ** 2) / ss if ss > 0 else 0.0  # SAFE: ss checked before the division


class PolyRegression(object):
    def __init__(self, n, l2):
        self.x = tf.placeholder(tf.float32, [None, n])
        self.y = tf.placeholder(tf.float32, [None])
        self.lr = tf.placeholder(tf.float32, [])
        self.w = tf.get_variable("w", [n, 1], initializer=tf.zeros_initializer())
        self.b = tf.get_variable("b", [], initializer=tf.zeros_initializer())
        self.pred = tf.squeeze(tf.matmul(self.x, self.w), 1) + self.b
        err = self.pred - self.y
        self.mse = tf.reduce_mean(tf.square(err))
        self.rmse = tf.sqrt(self.mse)  # SAFE: only printed, the gradient is taken of cost
        self.cost = self.mse + l2 * tf.nn.l2_loss(self.w)
        self.update = self._descent()

    def _descent(self):
        gw, gb = tf.gradients(self.cost, [self.w, self.b])
        return tf.group(tf.assign_sub(self.w, self.lr * gw),  # BUG: rate, powers of unscaled degrees and percent reach 1e6, a step of 0.01 diverges to NaN
                        tf.assign_sub(self.b, self.lr * gb))


def schedule(i, base, half_life):
    return base * math.pow(0.5, i / float(max(half_life, 1)))  # SAFE: maximum with 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="data/bikes.csv")
    ap.add_argument("--degree", type=int, default=3)
    ap.add_argument("--lr", type=float, default=0.01)
    ap.add_argument("--half-life", type=int, default=2000)
    ap.add_argument("--l2", type=float, default=1e-4)
    ap.add_argument("--steps", type=int, default=5000)
    ap.add_argument("--batch", type=int, default=64)
    args = ap.parse_args()
    x, y = read_csv(args.csv)
    xa, ya, xb, yb = train_test(x, y)
    fa, fb = expand(xa, args.degree), expand(xb, args.degree)
    scale = max(float(ya.max()), 1.0)
    ya, yb = ya / scale, yb / scale  # SAFE: scale is at least 1
    m = PolyRegression(fa.shape[1], args.l2)
    rng = np.random.RandomState(1)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i in range(args.steps):
            idx = rng.choice(len(fa), min(args.batch, len(fa)), replace=False)
            sess.run(m.update, {m.x: fa[idx], m.y: ya[idx], m.lr: schedule(i, args.lr, args.half_life)})
            if i % 100 == 0:
                print(i, "rmse", sess.run(m.rmse, {m.x: fb, m.y: yb}) * scale)
        p = sess.run(m.pred, {m.x: fb})
    w = normal_equation(fa, ya)
    print("r2 gradient descent", r_squared(yb, p), "normal equation", r_squared(yb, w[0] + fb @ w[1:]))


if __name__ == "__main__":
    main()
