"""Siamese signatures / faces: contrastive, triplet (batch hard), cosine version."""
import itertools
import pathlib
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers
import tensorflow.keras.backend as K

H, W = 105, 105


def euclidean_distance(vects):
    x, y = vects
    ss = K.sum(K.square(x - y), axis=1, keepdims=True)
    return K.sqrt(K.maximum(ss, K.epsilon()))  # SAFE: maximum with epsilon, below it the gradient is cut


def l2_dist_quick(vects):
    x, y = vects
    return tf.norm(x - y, axis=1, keepdims=True)  # BUG: norm-grad, a collapsed embedder (dead relus) gives two pictures of different classes one embedding, gradient of norm at 0


def contrastive(margin=1.0):
    def loss(y_true, d):
        y_true = tf.cast(y_true, d.dtype)
        return tf.reduce_mean(y_true * tf.square(d) + (1 - y_true) * tf.square(tf.maximum(margin - d, 0)))  # SAFE: squares
    return loss


class Embedder(layers.Layer):
    def __init__(self, dim=64, normalize=True, **kw):
        super().__init__(**kw)
        self.normalize = normalize
        self.scale = layers.Rescaling(1.0 / 255)
        self.c1 = layers.Conv2D(32, 7, activation="relu")
        self.c2 = layers.Conv2D(64, 5, activation="relu")
        self.pool = layers.MaxPooling2D()
        self.gap = layers.GlobalAveragePooling2D()
        self.fc = layers.Dense(dim)

    def call(self, x):
        h = self.pool(self.c1(self.scale(x)))
        h = self.gap(self.c2(h))
        e = self.fc(h)
        if self.normalize:
            e = tf.math.l2_normalize(e, axis=-1)  # SAFE: built in epsilon 1e-12
        return e


def siamese(dist, dim=64):
    a, b = keras.Input((H, W, 1)), keras.Input((H, W, 1))
    emb = Embedder(dim)
    d = layers.Lambda(dist)([emb(a), emb(b)])
    return keras.Model([a, b], d), emb


def make_pairs(x, y, n):
    pairs, lab = [], []
    by = {c: np.where(y == c)[0] for c in np.unique(y)}
    rng = np.random.default_rng(0)
    for _ in range(n):
        i = rng.integers(len(x))
        j = rng.choice(by[y[i]])  # may be i itself, does not matter
        pairs.append((i, j)); lab.append(1)
        other = rng.choice([c for c in by if c != y[i]])
        pairs.append((i, rng.choice(by[other]))); lab.append(0)
    p = np.array(pairs)
    return x[p[:, 0]], x[p[:, 1]], np.array(lab, "float32")


# ---------------- triplets -------------------------------------------------
def pairwise(e, squared=False):
    dot = tf.matmul(e, e, transpose_b=True)
    sq = tf.linalg.diag_part(dot)
    d = tf.maximum(sq[:, None] - 2.0 * dot + sq[None, :], 0.0)
    if squared:
        return d
    mask = tf.cast(tf.equal(d, 0.0), tf.float32)
    d = d + mask * 1e-16
    d = tf.sqrt(d)  # SAFE: zeros get 1e-16 added first, a normal float32; gradient 5e7 stays finite
    return d * (1.0 - mask)


def pairwise_direct(e):
    diff = e[:, None, :] - e[None, :, :]
    return tf.sqrt(tf.reduce_sum(tf.square(diff), axis=-1))  # BUG: sqrt-grad, the diagonal is exactly 0, and it is the row maximum for a class alone in the batch


def batch_hard(y, e, margin, dist_fn):
    y = tf.reshape(y, [-1])
    d = dist_fn(e)
    same = tf.cast(tf.equal(y[:, None], y[None, :]), tf.float32)
    pos = tf.reduce_max(d * same, axis=1)
    neg = tf.reduce_min(d + same * 1e6, axis=1)
    return tf.reduce_mean(tf.nn.relu(pos - neg + margin)), tf.reduce_mean(tf.nn.softplus(pos - neg))  # SAFE: relu and softplus


def batch_all(y, e, margin):
    d = pairwise(e, squared=True)
    y = tf.reshape(y, [-1])
    same = tf.equal(y[:, None], y[None, :])
    valid = tf.cast(same[:, :, None] & ~same[:, None, :], tf.float32)
    t = tf.maximum((d[:, :, None] - d[:, None, :] + margin) * valid, 0.0)
    n_pos = tf.reduce_sum(tf.cast(t > 1e-16, tf.float32))
    frac = n_pos / (tf.reduce_sum(valid) + 1e-16)  # SAFE: 1e-16 alone when there are none, only reported
    return tf.reduce_sum(t) / (n_pos + 1e-16), frac  # SAFE: when n_pos is 0 the sum over it is 0 too up to 1e-16 each


class TripletTrainer(keras.Model):
    def __init__(self, emb, margin=0.3, direct=False):
        super().__init__()
        self.emb = emb
        self.margin = margin
        self.dist = pairwise_direct if direct else pairwise

    def call(self, x):
        return self.emb(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            e = self(x, training=True)
            hard, soft = batch_hard(y, e, self.margin, self.dist)
            loss = hard + 0.1 * soft
        g = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(g, self.trainable_variables))
        return {"loss": loss}


class AngleHead(layers.Layer):
    """turns a cosine into degrees for the verification loss"""

    def __init__(self, eps=1e-6, **kw):
        super().__init__(**kw)
        self.eps = eps

    def call(self, ab):
        a, b = ab
        c = tf.reduce_sum(a * b, axis=-1)
        c = tf.clip_by_value(c, -1.0 + self.eps, 1.0 - self.eps)
        return tf.acos(c) * (180.0 / np.pi)  # SAFE: clipped inside (-1, 1) by the default eps


def load(root):
    xs, ys = [], []
    for k, d in enumerate(sorted(pathlib.Path(root).iterdir())):
        for f in itertools.islice(d.glob("*.png"), 40):
            im = keras.utils.load_img(f, color_mode="grayscale", target_size=(H, W))
            xs.append(keras.utils.img_to_array(im)); ys.append(k)
    return np.array(xs), np.array(ys)


def main():
    x, y = load("images")
    a, b, lab = make_pairs(x, y, 5000)
    for dist in (euclidean_distance, l2_dist_quick):
        m, emb = siamese(dist)
        m.compile(optimizer=keras.optimizers.Adam(1e-4), loss=contrastive(1.0))  # SAFE: loss is made for a distance
        m.fit([a, b], lab, batch_size=64, epochs=5)  # SAFE: Rescaling in the Embedder
        acc = np.mean((m.predict([a, b]).ravel() < 0.5) == lab)
        print(dist.__name__, acc)
    ds = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(2048).batch(64)
    for direct in (False, True):
        t = TripletTrainer(Embedder(128), direct=direct)
        t.compile(optimizer=keras.optimizers.Adam(1e-4))
        t.fit(ds, epochs=5)  # SAFE: Rescaling in the Embedder


if __name__ == "__main__":
    main()
