"""Aerial roof segmentation with a hand-written Lion optimizer and bfloat16 compute."""
import argparse
import os
from glob import glob

import numpy as np
import tensorflow as tf
import keras
from keras import layers, ops


class Lion(keras.optimizers.Optimizer):
    """Sign-momentum optimizer with decoupled decay and trust-ratio option."""

    def __init__(self, learning_rate=1e-4, b1=0.9, b2=0.99, decay=1e-2, trust=False, name="lion_local", **kw):
        super().__init__(learning_rate=learning_rate, name=name, **kw)
        self.b1, self.b2, self.decay, self.trust = b1, b2, decay, trust

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.m = [self.add_variable_from_reference(v, name="m") for v in variables]

    def update_step(self, grad, var, lr):
        lr, g = ops.cast(lr, var.dtype), ops.cast(grad, var.dtype)
        m = self.m[self._get_variable_index(var)]
        u = ops.sign(self.b1 * m + (1 - self.b1) * g)  # SAFE: optimizer update, no gradient needs to pass through sign
        if self.trust:
            wn, un = ops.norm(ops.reshape(var, (-1,))), ops.norm(ops.reshape(u, (-1,)))  # SAFE: norms inside the optimizer are not differentiated
            u = u * ops.clip(wn / (un + 1e-6), 0.1, 10.0)  # SAFE: float32 variables, offset and clipped
        self.assign_sub(var, lr * (u + self.decay * var))
        self.assign(m, self.b2 * m + (1 - self.b2) * g)


class Tversky(keras.losses.Loss):
    def __init__(self, a=0.3, b=0.7, gamma=0.75, smooth=1.0):
        super().__init__(name="tversky")
        self.a, self.b, self.gamma, self.smooth = a, b, gamma, smooth

    def call(self, y_true, y_pred):
        p = ops.sigmoid(ops.cast(y_pred, "float32"))
        t = ops.cast(y_true, "float32")
        ax = (1, 2, 3)
        tp = ops.sum(t * p, ax)
        fp, fn = ops.sum((1 - t) * p, ax), ops.sum(t * (1 - p), ax)
        ti = (tp + self.smooth) / (tp + self.a * fp + self.b * fn + self.smooth)  # SAFE: smooth is one in the denominator
        return ops.power(ops.maximum(1.0 - ti, 1e-4), self.gamma)  # SAFE: base floored at 1e-4 so the 0.75 power has a finite slope


def bce_logits(y_true, y_pred):
    z, t = ops.cast(y_pred, "float32"), ops.cast(y_true, "float32")
    return ops.mean(ops.maximum(z, 0) - z * t + ops.log1p(ops.exp(-ops.abs(z))))  # SAFE: exponent never positive


def boundary_weight(mask, k=7):
    m = ops.cast(mask, "float32")
    edge = ops.max_pool(m, k, 1, "same") + ops.max_pool(-m, k, 1, "same")
    return 1.0 + 4.0 * edge


class Combined(keras.losses.Loss):
    def __init__(self):
        super().__init__(name="combined")
        self.tv = Tversky()

    def call(self, y_true, y_pred):
        w = boundary_weight(y_true)
        z, t = ops.cast(y_pred, "float32"), ops.cast(y_true, "float32")
        ce = ops.maximum(z, 0) - z * t + ops.softplus(-ops.abs(z))
        return ops.sum(w * ce) / ops.sum(w) + ops.mean(self.tv(y_true, y_pred))  # SAFE: weights are at least one


class ScaleNorm(layers.Layer):
    """Normalises every pixel's feature vector, accumulating in float32."""

    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(), initializer="ones")

    def call(self, x):
        f = ops.cast(x, "float32")
        n = ops.sqrt(ops.sum(ops.square(f), -1, keepdims=True) + 1e-6)  # SAFE: float32 and the offset is under the root
        return ops.cast(f / n * ops.cast(self.g, "float32"), x.dtype)  # SAFE: norm at least 1e-3


def net(size, width):
    inp = keras.Input((size, size, 4))
    skips, x = [], inp
    for i in range(4):
        x = layers.Conv2D(width * 2 ** i, 3, padding="same")(x)
        x = layers.GroupNormalization(8)(x)
        x = layers.Activation("silu")(x)
        skips.append(x)
        x = layers.Conv2D(width * 2 ** i, 3, 2, padding="same", activation="silu")(x)
    x = ScaleNorm()(x)
    for i in reversed(range(4)):
        x = layers.UpSampling2D()(x)
        x = layers.Concatenate()([x, skips[i]])
        x = layers.Conv2D(width * 2 ** i, 3, padding="same", activation="silu")(x)
    return keras.Model(inp, layers.Conv2D(1, 1, dtype="float32")(x))


def ndvi(img):
    r, nir = img[..., 0], img[..., 3]
    return (nir - r) / np.maximum(nir + r, 1.0)  # SAFE: sum of unsigned bands floored at one


def tiles(folder, size, batch, train):
    files = sorted(glob(os.path.join(folder, "*.npz")))

    def gen():
        for f in (np.random.permutation(files) if train else files):
            with np.load(f) as z:
                img, roof = z["img"].astype(np.float32), z["roof"]
            if train and (ndvi(img) > 0.6).mean() > 0.95:
                continue
            yield img[:size, :size] / 127.5 - 1.0, roof[:size, :size, None].astype(np.float32)

    sig = (tf.TensorSpec([size, size, 4]), tf.TensorSpec([size, size, 1]))
    ds = tf.data.Dataset.from_generator(gen, output_signature=sig)
    return (ds.shuffle(256) if train else ds).batch(batch).prefetch(2)


class RoofIoU(keras.metrics.Metric):
    def __init__(self, **kw):
        super().__init__(name="iou", **kw)
        self.i = self.add_weight(name="i", initializer="zeros")
        self.u = self.add_weight(name="u", initializer="zeros")

    def update_state(self, y, p, sample_weight=None):
        t, q = ops.cast(y > 0.5, "float32"), ops.cast(p > 0, "float32")
        self.i.assign(self.i + ops.sum(t * q))
        self.u.assign(self.u + ops.sum(ops.maximum(t, q)))

    def result(self):
        return self.i / ops.maximum(self.u, 1.0)  # SAFE: union floored at one pixel


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("train")
    ap.add_argument("val")
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--width", type=int, default=24)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--lr", type=float, default=1e-4)
    ap.add_argument("--trust", action="store_true")
    a = ap.parse_args()
    keras.config.set_dtype_policy("mixed_bfloat16")  # SAFE: bfloat16 has the float32 range, no loss scaling needed
    model = net(a.size, a.width)
    model.compile(Lion(a.lr, trust=a.trust), loss=Combined(), metrics=[RoofIoU()])
    model.fit(tiles(a.train, a.size, a.batch, True), validation_data=tiles(a.val, a.size, a.batch, False), epochs=a.epochs,
              callbacks=[keras.callbacks.ModelCheckpoint("roof.weights.h5", save_weights_only=True, save_best_only=True,
                                                         monitor="val_iou", mode="max"),
                         keras.callbacks.TerminateOnNaN()])


if __name__ == "__main__":
    main()
