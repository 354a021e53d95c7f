# Vision transformer on tf_flowers-like folders, notebook exported to a script
import os
import math
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

IMG = 96
PATCH = 12
DIM = 64
HEADS = 4
DEPTH = 4
CLASSES = 5
BATCH = 64
EPOCHS = 40


class Patches(layers.Layer):
    def build(self, shape):
        n = (shape[1] // PATCH) * (shape[2] // PATCH)
        self.proj = layers.Conv2D(DIM, PATCH, strides=PATCH)
        self.proj.build(shape)
        self.pos = self.add_weight(name="pos", shape=(1, n + 1, DIM), initializer=keras.initializers.TruncatedNormal(stddev=0.02))
        self.cls = self.add_weight(name="cls", shape=(1, 1, DIM), initializer="zeros")

    def call(self, x):
        x = self.proj(x)
        b = tf.shape(x)[0]
        x = tf.reshape(x, [b, -1, DIM])
        return tf.concat([tf.repeat(self.cls, b, 0), x], 1) + self.pos


class Attention(layers.Layer):
    def __init__(self, heads, drop_tokens=0.0, **kw):
        super().__init__(**kw)
        self.heads, self.drop = heads, drop_tokens

    def build(self, shape):
        self.qkv = layers.Dense(3 * shape[-1])
        self.qkv.build(shape)
        self.o = layers.Dense(shape[-1])
        self.o.build(shape)

    def call(self, x, training=False):
        b, n, d = tf.shape(x)[0], tf.shape(x)[1], x.shape[-1]
        qkv = tf.reshape(self.qkv(x), [b, n, 3, self.heads, d // self.heads])
        q, k, v = tf.unstack(tf.transpose(qkv, [2, 0, 3, 1, 4]), axis=0)
        s = tf.matmul(q, k, transpose_b=True) / math.sqrt(d // self.heads)  # SAFE: constant head width 16
        if training and self.drop:
            keep = tf.random.uniform([b, 1, 1, n]) >= self.drop
            keep = keep | (tf.range(n) == 0)
            s += -1e9 * (1.0 - tf.cast(keep, s.dtype))  # SAFE: float32, and the class token is never masked
        a = tf.exp(s - tf.reduce_max(s, -1, keepdims=True))  # SAFE: row maximum subtracted before exp
        a = a / tf.reduce_sum(a, -1, keepdims=True)  # SAFE: the row contains exp(0) = 1
        return self.o(tf.reshape(tf.transpose(tf.matmul(a, v), [0, 2, 1, 3]), [b, n, d]))


class RMSNorm(layers.Layer):
    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return self.g * x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), -1, keepdims=True) + 1e-6)  # SAFE: epsilon inside rsqrt


class DropPath(layers.Layer):
    def __init__(self, rate, **kw):
        super().__init__(**kw)
        self.keep = 1.0 - rate

    def call(self, x, training=False):
        if not training or self.keep == 1.0:
            return x
        m = tf.floor(self.keep + tf.random.uniform([tf.shape(x)[0], 1, 1]))
        return x / self.keep * m  # SAFE: rates are linspace(0, 0.1), keep is at least 0.9


def build_model():
    inp = keras.Input((IMG, IMG, 3))
    x = layers.Rescaling(1.0 / 255)(inp)  # SAFE: raw pixels are rescaled as the first layer
    x = layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.0524, 0.0502, 0.0506])(x)  # SAFE: positive constant variances
    x = layers.RandomFlip("horizontal")(x)
    x = Patches()(x)
    for r in np.linspace(0.0, 0.1, DEPTH):
        x = x + DropPath(float(r))(Attention(HEADS, 0.1)(RMSNorm()(x)))
        h = layers.Dense(4 * DIM, activation="gelu")(RMSNorm()(x))
        x = x + DropPath(float(r))(layers.Dense(DIM)(h))
    x = RMSNorm()(x)[:, 0]
    return keras.Model(inp, layers.Dense(CLASSES, activation="softmax", dtype="float32")(x))


def poly_focal(y_true, p):
    """Poly-1 focal loss on probabilities with label smoothing."""
    y = tf.one_hot(tf.cast(tf.reshape(y_true, [-1]), tf.int32), CLASSES)
    y = y * 0.9 + 0.1 / CLASSES  # SAFE: constant number of classes
    p = tf.clip_by_value(p, 1e-7, 1.0 - 1e-7)
    ce = -tf.reduce_sum(y * tf.math.log(p), -1)  # SAFE: softmax output clipped to [1e-7, 1-1e-7], float32 head
    pt = tf.reduce_sum(y * p, -1)
    return ce + (1.0 - pt)


def layer_decay(step, peak=1e-3, warm=500, total=6000):
    step = tf.cast(step, tf.float32)
    return peak * tf.minimum(step / warm, 0.5 * (1 + tf.cos(math.pi * tf.minimum(step / total, 1.0))))  # SAFE: positive constant denominators


class Sched(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return layer_decay(step)


def per_class_accuracy(y, p):
    cm = np.zeros((CLASSES, CLASSES))
    np.add.at(cm, (y, p), 1)
    with np.errstate(invalid="ignore"):
        acc = np.diag(cm) / cm.sum(1)  # SAFE: absent classes give NaN which nanmean skips, printed only
    return np.nanmean(acc)


def main():
    root = os.environ.get("FLOWERS", "flower_photos")
    mk = lambda s: keras.utils.image_dataset_from_directory(root, validation_split=0.2, subset=s, seed=1, image_size=(IMG, IMG), batch_size=BATCH)
    train, val = mk("training"), mk("validation")
    model = build_model()
    model.compile(keras.optimizers.AdamW(Sched(), weight_decay=0.05, clipnorm=1.0), loss=poly_focal, metrics=["sparse_categorical_accuracy"])
    model.fit(train, validation_data=val, epochs=EPOCHS)
    y = np.concatenate([b for _, b in val])
    print(per_class_accuracy(y, model.predict(val).argmax(-1)))


if __name__ == "__main__":
    main()
