"""State of charge estimation for 18650 cells. Baseline: linear model by plain gradient descent.
Main model: hybrid equivalent circuit with learned open circuit voltage."""
import argparse
import csv

import numpy as np
import tensorflow as tf

R_GAS, FARADAY = 8.314, 96485.0
CAPACITY = 2.0 * 3600.0
COLUMNS = ["time_s", "voltage_v", "current_a", "temp_c"]


def read_cycles(path):
    """-> list of float arrays [T, 4], one per discharge cycle"""
    cycles, last = [], None
    with open(path) as fh:
        for row in csv.DictReader(fh):
            if row["cycle"] != last:
                cycles.append([])
                last = row["cycle"]
            cycles[-1].append([float(row[c]) for c in COLUMNS])
    return [np.asarray(c, np.float32) for c in cycles if len(c) > 10]


def coulomb_count(cycle, soc0=1.0):
    dt = np.diff(cycle[:, 0], prepend=cycle[0, 0])
    used = np.cumsum(cycle[:, 2] * dt) / CAPACITY  # SAFE: capacity is the constant 7200 As
    return np.clip(soc0 - used, 0.0, 1.0).astype(np.float32)


def design_matrix(cycles):
    """Columns as measured: seconds, volts, amperes, degrees."""
    x = np.concatenate(cycles)
    y = np.concatenate([coulomb_count(c) for c in cycles])
    return x.astype(np.float32), y[:, None]


class LinearBaseline:
    def __init__(self, n):
        self.w = tf.Variable(tf.zeros([n, 1]))
        self.b = tf.Variable(tf.zeros([1]))

    def __call__(self, x):
        return tf.matmul(x, self.w) + self.b

    def fit(self, x, y, steps, lr):
        for i in range(steps):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self(x) - y))
            gw, gb = tape.gradient(loss, [self.w, self.b])
            self.w.assign_sub(lr * gw)  # BUG: rate, time in seconds runs to several thousand, curvature of the loss is about 1e7 and the default rate 0.01 diverges to inf
            self.b.assign_sub(lr * gb)
            if i % 100 == 0:
                print("linear", i, float(loss))
        return float(loss)


class Circuit(tf.keras.Model):
    """v = ocv(soc) - i * r0(T) - v1, dv1/dt = -v1 / (r1 c1) + i / c1"""

    def __init__(self):
        super().__init__()
        self.raw_r0 = self.add_weight(shape=(), initializer="zeros", name="raw_r0")
        self.raw_r1 = self.add_weight(shape=(), initializer="zeros", name="raw_r1")
        self.log_c1 = self.add_weight(shape=(), initializer=tf.keras.initializers.Constant(7.0), name="log_c1")
        self.ea = self.add_weight(shape=(), initializer=tf.keras.initializers.Constant(2.0), name="ea")
        self.ocv = tf.keras.Sequential([
            tf.keras.layers.Dense(16, activation="tanh"),
            tf.keras.layers.Dense(1)])

    def resistance(self, temp_c):
        t = tf.clip_by_value(temp_c, -30.0, 80.0) + 273.15
        ea = 1e4 * tf.clip_by_value(self.ea, 0.0, 6.0)
        arrhenius = tf.exp(ea / R_GAS * (1.0 / t - 1.0 / 298.15))  # SAFE: temperature in [243, 353] K and activation energy at most 60 kJ/mol, the exponent is at most 5.5
        return 0.01 + 0.1 * tf.nn.softplus(self.raw_r0) * arrhenius

    def open_circuit(self, soc):
        s = tf.clip_by_value(soc, 1e-3, 1.0 - 1e-3)
        nernst = R_GAS * 298.15 / FARADAY * (tf.math.log(s) - tf.math.log(1.0 - s))  # SAFE: soc clipped to [0.001, 0.999], Faraday constant
        return 3.6 + nernst + self.ocv(s[:, None])[:, 0]

    def call(self, i, temp, soc, dt):
        r1 = 0.005 + 0.1 * tf.nn.softplus(self.raw_r1)
        c1 = tf.exp(tf.clip_by_value(self.log_c1, 3.0, 10.0))  # SAFE: argument clipped to [3, 10]
        decay = tf.exp(-dt / (r1 * c1))  # SAFE: dt >= 0 after clean(), r1 >= 0.005 and c1 >= 20, the exponent is never positive
        v1, out = tf.zeros_like(i[:, 0]), []
        for k in range(i.shape[1]):
            v1 = decay[:, k] * v1 + r1 * (1.0 - decay[:, k]) * i[:, k]
            out.append(self.open_circuit(soc[:, k]) - i[:, k] * self.resistance(temp[:, k]) - v1)
        return tf.stack(out, 1)


def clean(cycle):
    """Sorts by time and drops repeated samples."""
    c = cycle[np.argsort(cycle[:, 0], kind="stable")]
    keep = np.append(True, np.diff(c[:, 0]) > 0)
    return c[keep]


def windows(cycles, length=20):
    xs, socs = [], []
    for c in cycles:
        c = clean(c)
        soc = coulomb_count(c)
        for k in range(0, len(c) - length, length):
            xs.append(c[k:k + length])
            socs.append(soc[k:k + length])
    return np.stack(xs), np.stack(socs)


def circuit_step(model, opt, x, soc):
    dt = tf.concat([tf.zeros_like(x[:, :1, 0]), x[:, 1:, 0] - x[:, :-1, 0]], 1)
    with tf.GradientTape() as tape:
        v = model(x[:, :, 2], x[:, :, 3], soc, dt)
        err = (v - x[:, :, 1]) / 0.02  # SAFE: constant voltage scale
        loss = tf.reduce_mean(tf.math.softplus(2.0 * err) - err) - tf.math.log(2.0)  # SAFE: log cosh through the stable softplus
    g = tape.gradient(loss, model.trainable_variables)
    g, _ = tf.clip_by_global_norm(g, 1.0)
    opt.apply_gradients(zip(g, model.trainable_variables))
    return loss


def report(y, p):
    e = p - y
    rmse = float(np.sqrt(np.mean(e ** 2)))  # SAFE: numpy, mean of squares
    r2 = 1.0 - float(np.sum(e ** 2) / max(np.sum((y - y.mean()) ** 2), 1e-9))  # SAFE: floored at 1e-9
    mape = float(np.mean(np.abs(e) / np.maximum(np.abs(y), 0.05)))  # SAFE: empty cells are floored at 0.05
    return {"rmse": rmse, "r2": r2, "mape": mape}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("csv")
    ap.add_argument("--lr", type=float, default=0.01)
    ap.add_argument("--steps", type=int, default=1000)
    ap.add_argument("--epochs", type=int, default=100)
    a = ap.parse_args()
    cycles = read_cycles(a.csv)
    x, y = design_matrix(cycles)
    base = LinearBaseline(x.shape[1])
    base.fit(tf.constant(x), tf.constant(y), a.steps, a.lr)
    print("baseline", report(y, base(x).numpy()))
    xs, soc = windows(cycles)
    model, opt = Circuit(), tf.keras.optimizers.Adam(1e-3)
    ds = tf.data.Dataset.from_tensor_slices((xs, soc)).shuffle(5000).batch(64)
    for epoch in range(a.epochs):
        for xb, sb in ds:
            loss = circuit_step(model, opt, xb, sb)
        print("circuit", epoch, float(loss))
    model.save_weights("circuit.weights.h5")


if __name__ == "__main__":
    main()
