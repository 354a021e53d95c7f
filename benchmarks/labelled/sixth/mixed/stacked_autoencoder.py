"""Deep sigmoid autoencoder with low level TF2 (tf.Module), after a course assignment."""
import argparse
import numpy as np
import tensorflow as tf


class DenseLayer(tf.Module):
    def __init__(self, n_in, n_out, act, stddev=1.0, name=None):
        super().__init__(name)
        self.w = tf.Variable(tf.random.normal([n_in, n_out], stddev=stddev), name="w")
        self.b = tf.Variable(tf.zeros([n_out]), name="b")
        self.act = act

    def __call__(self, x):
        return self.act(tf.matmul(x, self.w) + self.b)  # BUG: init, unit variance weights on 784/400 inputs give pre-activations of +-10, about half of the sigmoids are saturated, encoder gradients are 100 times too small and training stays worse than predicting the mean


class Autoencoder(tf.Module):
    def __init__(self, sizes=(784, 400, 200, 100, 16), tied=False):
        super().__init__()
        sig = tf.nn.sigmoid
        dims = list(sizes)
        self.enc = [DenseLayer(a, b, sig) for a, b in zip(dims[:-1], dims[1:])]
        dims = dims[::-1]
        self.dec = [DenseLayer(a, b, sig) for a, b in zip(dims[:-1], dims[1:])]

    def encode(self, x):
        for l in self.enc:
            x = l(x)
        return x

    def decode(self, z):
        for l in self.dec:
            z = l(z)
        return z

    def __call__(self, x):
        return self.decode(self.encode(x))


def sparsity(h, rho=0.05):
    q = tf.clip_by_value(tf.reduce_mean(h, 0), 1e-4, 1.0 - 1e-4)
    kl = rho * tf.math.log(rho / q) + (1 - rho) * tf.math.log((1 - rho) / (1 - q))  # SAFE: mean activation clipped to [1e-4, 1-1e-4]
    return tf.reduce_sum(kl)


def reconstruction(x, r):
    return tf.reduce_mean(tf.reduce_sum(tf.square(x - r), -1))


def contractive(h, w):
    d = h * (1 - h)
    return tf.reduce_mean(tf.reduce_sum(tf.square(d) * tf.reduce_sum(tf.square(w), 0), -1))


class Momentum:
    def __init__(self, lr, mu=0.9, max_norm=5.0):
        self.lr, self.mu, self.max_norm, self.v = lr, mu, max_norm, None

    def apply(self, grads, params):
        if self.v is None:
            self.v = [tf.Variable(tf.zeros_like(p)) for p in params]
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(g)) for g in grads]))  # SAFE: gradient norm after differentiation
        scale = tf.minimum(1.0, self.max_norm / (norm + 1e-12))  # SAFE: epsilon in the denominator, capped at 1
        for p, g, v in zip(params, grads, self.v):
            v.assign(self.mu * v - self.lr * scale * g)
            p.assign_add(v)


def corrupt(x, p):
    return x * tf.cast(tf.random.uniform(tf.shape(x)) > p, x.dtype)


def train(model, x, epochs=20, batch=128, lr=0.05, noise=0.2, beta=0.0, seed=0):
    opt, rng, hist = Momentum(lr), np.random.RandomState(seed), []
    for ep in range(epochs):
        tot, order = 0.0, rng.permutation(len(x))
        steps = max(len(x) // batch, 1)
        for s in range(steps):
            b = tf.constant(x[order[s * batch:(s + 1) * batch]])
            with tf.GradientTape() as tape:
                h = model.encode(corrupt(b, noise))
                loss = reconstruction(b, model.decode(h))
                if beta:
                    loss += beta * sparsity(h)
            opt.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            tot += float(loss)
        hist.append(tot / steps)  # SAFE: number of steps floored at one
    return hist


def load():
    (x, _), (t, y) = tf.keras.datasets.mnist.load_data()
    prep = lambda a: (a.reshape(-1, 784) / 255.0).astype("float32")  # SAFE: constant divisor, pixels in [0, 1]
    return prep(x), prep(t), y


def silhouette(z, y, n=500):
    z, y = z[:n], y[:n]
    d = np.sqrt(np.maximum(((z[:, None] - z[None]) ** 2).sum(-1), 0.0))  # SAFE: numpy evaluation of non-negative sums
    out = []
    for k in range(len(z)):
        same = (y == y[k])
        same[k] = False
        if not same.any():
            continue
        a = d[k][same].mean()
        b = min(d[k][y == c].mean() for c in np.unique(y) if c != y[k])
        out.append((b - a) / max(a, b, 1e-12))  # SAFE: denominator floored
    return float(np.mean(out)) if out else 0.0


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--epochs", type=int, default=20)
    p.add_argument("--lr", type=float, default=0.05)
    p.add_argument("--beta", type=float, default=0.0)
    a = p.parse_args()
    tr, te, y = load()
    ae = Autoencoder()
    print(train(ae, tr, a.epochs, lr=a.lr, beta=a.beta))
    print("test", float(reconstruction(te, ae(te))), "silhouette", silhouette(ae.encode(te).numpy(), y))
