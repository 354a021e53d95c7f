"""TCN that predicts return distributions and positions for futures; trained on a Sharpe style objective."""
import argparse
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

LOOKBACK = 60


def returns(prices):
    p = np.maximum(prices, 1e-6)
    return np.diff(np.log(p), axis=0)  # SAFE: prices floored at 1e-6


def ewma_vol(r, span=30):
    a = 2.0 / (span + 1.0)
    v = np.zeros_like(r)
    v[0] = r[0] ** 2
    for t in range(1, len(r)):
        v[t] = (1 - a) * v[t - 1] + a * r[t] ** 2
    return np.sqrt(v)  # SAFE: sums of squares, numpy preprocessing


def features(prices):
    r = returns(prices)
    vol = np.maximum(ewma_vol(r), 1e-4)
    z = np.clip(r / vol, -10, 10)  # SAFE: volatility floored at 1e-4
    mom = np.zeros_like(r)
    c = np.cumsum(r, 0)
    mom[20:] = (c[20:] - c[:-20]) / (vol[20:] * np.sqrt(20.0))  # SAFE: volatility floored, constant root
    return np.concatenate([z, np.clip(mom, -10, 10)], 1).astype("float32"), (0.01 * r / vol).astype("float32")  # SAFE: same floored volatility


def windows(f, target):
    x = np.stack([f[t - LOOKBACK:t] for t in range(LOOKBACK, len(f))])
    return x, target[LOOKBACK:]


class TCNBlock(layers.Layer):
    def __init__(self, ch, dil, **kw):
        super().__init__(**kw)
        self.c1 = layers.Conv1D(ch, 3, padding="causal", dilation_rate=dil, activation="relu")
        self.c2 = layers.Conv1D(ch, 3, padding="causal", dilation_rate=dil)
        self.norm = layers.LayerNormalization()

    def call(self, x):
        return tf.nn.relu(x + self.norm(self.c2(self.c1(x))))


class Trader(tf.keras.Model):
    def __init__(self, n_assets, ch=32):
        super().__init__()
        self.inp = layers.Dense(ch)
        self.blocks = [TCNBlock(ch, d) for d in (1, 2, 4, 8)]
        self.mu = layers.Dense(n_assets)
        self.logvar = layers.Dense(n_assets)
        self.pos = layers.Dense(n_assets, activation="tanh", kernel_initializer="zeros")

    def call(self, x, training=False):
        h = self.inp(x)
        for b in self.blocks:
            h = b(h)
        h = h[:, -1]
        return self.mu(h), -14.0 + 16.0 * tf.sigmoid(self.logvar(h)), self.pos(h)


def gaussian_nll(r, mu, logvar):
    return 0.5 * tf.reduce_mean(logvar + tf.square(r - mu) * tf.exp(-logvar))  # SAFE: the model maps logvar into (-14, 2) with a sigmoid


def sharpe(pos, r, cost=1e-4):
    pnl = tf.reduce_mean(pos * r, 1)
    turn = tf.reduce_mean(tf.abs(pos[1:] - pos[:-1]), 1)
    net = pnl - cost * tf.pad(turn, [[1, 0]])
    m = tf.reduce_mean(net)
    var = tf.reduce_mean(tf.square(net - m))
    return m / tf.sqrt(var + 1e-8) * np.sqrt(252.0)  # SAFE: 1e-8 added under the root, constant annualisation


def concentration(pos):
    spread = tf.math.reduce_std(pos, axis=1)  # BUG: sqrt-grad, the position head starts at zero weights, all positions are equal and the slope of the standard deviation at 0 is NaN
    return tf.reduce_mean(tf.nn.relu(spread - 0.5) + 0.1 * spread)


def gross(pos):
    g = tf.reduce_sum(tf.abs(pos), 1, keepdims=True)
    return pos / tf.maximum(g, 1.0)  # SAFE: gross exposure floored at one


def train_step(model, opt, x, r, w_nll=1.0, w_conc=0.1):
    with tf.GradientTape() as tape:
        mu, lv, pos = model(x, training=True)
        loss = -sharpe(gross(pos), r) + w_nll * gaussian_nll(r, mu, lv) + w_conc * concentration(pos)
    v = model.trainable_variables
    g, _ = tf.clip_by_global_norm(tape.gradient(loss, v), 1.0)
    opt.apply_gradients(zip(g, v))
    return loss


def report(pnl):
    eq = np.cumprod(1.0 + np.clip(pnl, -0.5, 0.5))
    peak = np.maximum.accumulate(eq)
    dd = (1.0 - eq / peak).max()  # SAFE: equity is a product of factors of at least 0.5 each, the running maximum is positive, report only
    sd = pnl.std()
    sr = pnl.mean() / sd * np.sqrt(252) if sd > 0 else 0.0  # SAFE: conditional on the deviation, report only
    down = np.sqrt(np.mean(np.minimum(pnl, 0) ** 2))
    return {"sharpe": sr, "sortino": pnl.mean() / max(down, 1e-9) * np.sqrt(252), "maxdd": dd}  # SAFE: downside deviation floored


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--prices", default="futures.npy")
    p.add_argument("--epochs", type=int, default=50)
    p.add_argument("--lr", type=float, default=1e-3)
    a = p.parse_args()
    x, r = windows(*features(np.load(a.prices)))
    n = int(0.8 * len(x))
    m, opt = Trader(r.shape[1]), tf.keras.optimizers.Adam(a.lr)
    for ep in range(a.epochs):
        for s in range(0, n - 128, 128):
            l = train_step(m, opt, tf.constant(x[s:s + 128]), tf.constant(r[s:s + 128]))
        print(ep, float(l))
    pos = gross(m(x[n:])[2]).numpy()
    print(report((pos * r[n:]).mean(1)))


if __name__ == "__main__":
    main()
