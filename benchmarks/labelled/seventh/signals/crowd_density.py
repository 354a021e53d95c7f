"""Crowd counting with density maps, Keras 3. Loss options: mse, poisson, bayesian-like."""
import argparse
import glob
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
STRIDE = 8

RECIPES = {
    "csrnet": dict(loss="mse", link="relu", optimizer="sgd", lr=1e-6, momentum=0.95),
    "poisson": dict(loss="poisson", link="exp", optimizer="adam", lr=1e-4, momentum=None),
    "fast": dict(loss="count", link="softplus", optimizer="sgd", lr=1.0, momentum=0.9),
}


def standardize(img):
    img = tf.cast(img, tf.float32) / 255.0
    return (img - MEAN) / STD  # SAFE: constants around 0.22


def quantize(img, bits):
    """JPEG-like degradation used as augmentation. img in [0, 1]."""
    levels = 2.0 ** bits - 1.0
    return tf.round(img * levels) / levels  # SAFE: bits is drawn from 4..8, at least 15 levels


def augment(img, dots):
    img = tf.cast(img, tf.float32) / 255.0
    img = tf.image.random_brightness(img, 0.2)
    img = tf.image.random_contrast(img, 0.8, 1.2)
    img = quantize(img, tf.random.uniform([], 4.0, 8.0))
    img = tf.cast(tf.clip_by_value(img, 0.0, 1.0), tf.uint8)  # BUG: cast, values in [0, 1] are truncated to 0 or 1 before standardize divides by 255 again, the network sees a black image
    return img, dots


def density_map(points, h, w, sigma=2.0):
    """Normalised Gaussians at stride resolution; the sum is the head count."""
    gy, gx = np.mgrid[0:h // STRIDE, 0:w // STRIDE]
    out = np.zeros(gy.shape, np.float32)
    for x, y in points:
        g = np.exp(-((gx - x / STRIDE) ** 2 + (gy - y / STRIDE) ** 2) / (2 * sigma ** 2))  # SAFE: negative exponent, sigma is 2
        out += (g / max(g.sum(), 1e-6)).astype(np.float32)  # SAFE: floored at 1e-6 for points outside the crop
    return out[..., None]


class DensityNet(keras.Model):
    def __init__(self, link, width=16):
        super().__init__()
        self.stages = []
        for f in (width, width * 2, width * 4):
            self.stages.append(keras.Sequential([
                layers.Conv2D(f, 3, padding="same", activation="relu"),
                layers.Conv2D(f, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(2)]))
        self.back = [layers.Conv2D(width * 4, 3, padding="same", dilation_rate=2, activation="relu") for _ in range(3)]
        self.out = layers.Conv2D(1, 1)
        self.link = link

    def call(self, x, training=False):
        for s in self.stages:
            x = s(x)
        for b in self.back:
            x = b(x)
        return self.out(x)

    def rate(self, raw):
        if self.link == "exp":
            return tf.exp(tf.clip_by_value(raw, -20.0, 10.0))  # SAFE: argument clipped to [-20, 10]
        if self.link == "softplus":
            return tf.nn.softplus(raw)
        return tf.nn.relu(raw)

    def predict_count(self, x):
        return tf.reduce_sum(self.rate(self(x)), [1, 2, 3])


def mse_loss(net, raw, target):
    return tf.reduce_mean(tf.reduce_sum(tf.square(net.rate(raw) - target), [1, 2, 3]))


def poisson_loss(net, raw, target):
    lam = net.rate(raw)
    return tf.reduce_mean(tf.reduce_sum(lam - target * tf.math.log(lam + 1e-8), [1, 2, 3]))  # SAFE: lam >= exp(-20) with the exp link of this recipe, plus 1e-8


def count_loss(net, raw, target):
    """Squared count error plus normalised-map divergence (DM-Count without OT)."""
    lam = net.rate(raw)
    n_hat, n = tf.reduce_sum(lam, [1, 2, 3]), tf.reduce_sum(target, [1, 2, 3])
    p = lam / (n_hat[:, None, None, None] + 1e-6)  # SAFE: sum of softplus values plus 1e-6
    q = target / tf.maximum(n, 1e-6)[:, None, None, None]  # SAFE: floored at 1e-6, an empty scene gives 0
    kl = tf.reduce_sum(q * tf.math.log(q / (p + 1e-8)), [1, 2, 3])  # BUG: zero-log-zero, density is exactly 0 far from heads (Gaussians underflow) and 0 * log(0) is NaN
    return tf.reduce_mean(tf.square(n_hat - n) + n * kl)


LOSSES = {"mse": mse_loss, "poisson": poisson_loss, "count": count_loss}


class Counter(keras.Model):
    def __init__(self, recipe):
        super().__init__()
        self.recipe = RECIPES[recipe]
        self.net = DensityNet(self.recipe["link"])
        self.loss_fn = LOSSES[self.recipe["loss"]]
        self.mae = keras.metrics.MeanAbsoluteError(name="mae")
        self.tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.tracker, self.mae]

    def make_optimizer(self):
        r = self.recipe
        if r["optimizer"] == "sgd":
            return keras.optimizers.SGD(r["lr"], momentum=r["momentum"])  # BUG: rate, recipe "fast" has lr 1.0 with momentum 0.9 on a sum-of-pixels squared count error, the first steps diverge
        return keras.optimizers.Adam(r["lr"])

    def call(self, x):
        return self.net(x)

    def train_step(self, data):
        img, target = data
        x = standardize(img)
        with tf.GradientTape() as tape:
            raw = self.net(x, training=True)
            loss = self.loss_fn(self.net, raw, target)
        v = self.net.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        self.tracker.update_state(loss)
        self.mae.update_state(tf.reduce_sum(target, [1, 2, 3]), tf.reduce_sum(self.net.rate(raw), [1, 2, 3]))
        return {m.name: m.result() for m in self.metrics}


def crops(root, size, seed=0):
    rng = np.random.default_rng(seed)
    for f in rng.permutation(sorted(glob.glob(os.path.join(root, "*.npz")))):
        z = np.load(f)
        img, pts = z["image"], z["points"]
        y = rng.integers(0, img.shape[0] - size + 1)
        x = rng.integers(0, img.shape[1] - size + 1)
        inside = (pts[:, 0] >= x) & (pts[:, 0] < x + size) & (pts[:, 1] >= y) & (pts[:, 1] < y + size)
        yield img[y:y + size, x:x + size], density_map(pts[inside] - [x, y], size, size)


def game(pred, true, level=2):
    """Grid average mean absolute error."""
    k = 2 ** level
    h, w = pred.shape[0] // k, pred.shape[1] // k
    p = pred[:h * k, :w * k].reshape(k, h, k, w).sum((1, 3))
    t = true[:h * k, :w * k].reshape(k, h, k, w).sum((1, 3))
    return float(np.abs(p - t).sum())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--recipe", default="csrnet", choices=sorted(RECIPES))
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=200)
    a = ap.parse_args()
    m = a.size // STRIDE
    sig = (tf.TensorSpec([a.size, a.size, 3], tf.uint8), tf.TensorSpec([m, m, 1]))
    ds = tf.data.Dataset.from_generator(lambda: crops(a.root, a.size), output_signature=sig)
    ds = ds.map(augment).batch(8).prefetch(2)
    model = Counter(a.recipe)
    model.compile(optimizer=model.make_optimizer())
    model.fit(ds, epochs=a.epochs)
    model.net.save_weights("crowd_%s.weights.h5" % a.recipe)
    errs = []
    for img, d in crops(a.root, a.size, seed=99):
        lam = model.net.rate(model.net(standardize(img[None])))[0, ..., 0].numpy()
        errs.append(game(lam, d[..., 0]))
    print("GAME(2)", sum(errs) / max(len(errs), 1))  # SAFE: max with 1


if __name__ == "__main__":
    main()
