# Retinal vessel segmentation (DRIVE). Keras script with soft clDice and boundary weights.
import glob
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow.keras import Model, layers, losses, metrics, optimizers
from tensorflow.keras import backend as K
from tensorflow.keras.callbacks import Callback, ModelCheckpoint

PATCH = 64
EPS = 1e-6


def green_channel(rgb, fov):
    g = rgb[..., 1].astype("float32")
    inside = fov > 0
    if inside.sum() < 100:
        return np.zeros_like(g)
    m, s = g[inside].mean(), g[inside].std()
    out = (g - m) / (s + 1e-3)  # SAFE: grey levels 0..255 with 1e-3 added to the deviation
    out[~inside] = 0.0
    return np.clip(out, -4, 4)


def distance_weights(mask, fov, w0=4.0, sigma=3.0):
    from scipy.ndimage import distance_transform_edt
    d = distance_transform_edt(mask == 0)
    return (1.0 + w0 * np.exp(-(d ** 2) / (2 * sigma ** 2))) * (fov > 0)  # SAFE: sigma is a constant and the exponent is not positive


class Patches:
    def __init__(self, root, split, per_image=200, seed=0):
        self.rng = np.random.default_rng(seed)
        self.per_image = per_image
        self.data = []
        for f in sorted(glob.glob(os.path.join(root, split, "*.npz"))):
            with np.load(f) as z:
                self.data.append((green_channel(z["rgb"], z["fov"]), (z["vessel"] > 0).astype("float32"),
                                  distance_weights(z["vessel"] > 0, z["fov"]).astype("float32")))

    def __call__(self):
        for k in self.rng.permutation(len(self.data)):
            img, lab, w = self.data[k]
            for _ in range(self.per_image):
                i, j = (self.rng.integers(0, n - PATCH + 1) for n in img.shape)
                s = np.s_[i:i + PATCH, j:j + PATCH]
                yield img[s][..., None], np.stack([lab[s], w[s]], -1)


def soft_erode(x):
    a = -tf.nn.max_pool2d(-x, (3, 1), 1, "SAME")
    b = -tf.nn.max_pool2d(-x, (1, 3), 1, "SAME")
    return tf.minimum(a, b)


def soft_open(x):
    return tf.nn.max_pool2d(soft_erode(x), 3, 1, "SAME")


def soft_skeleton(x, iters=5):
    skel = tf.nn.relu(x - soft_open(x))
    for _ in range(iters):
        x = soft_erode(x)
        delta = tf.nn.relu(x - soft_open(x))
        skel = skel + tf.nn.relu(delta - skel * delta)
    return skel


def soft_cldice(t, p, smooth=1.0):
    st, sp = soft_skeleton(t), soft_skeleton(p)
    prec = (tf.reduce_sum(sp * t) + smooth) / (tf.reduce_sum(sp) + smooth)  # SAFE: smooth 1 and skeletons are not negative
    sens = (tf.reduce_sum(st * p) + smooth) / (tf.reduce_sum(st) + smooth)  # SAFE: smooth 1 and skeletons are not negative
    return 1.0 - 2.0 * prec * sens / (prec + sens)  # SAFE: both terms are positive because of smooth in the numerators


class VesselLoss(losses.Loss):
    def __init__(self, alpha=0.3, name="vessel"):
        super().__init__(name=name)
        self.alpha = alpha

    def call(self, y_true, y_pred):
        t, w = y_true[..., :1], y_true[..., 1:]
        p = tf.clip_by_value(y_pred, EPS, 1.0 - EPS)
        bce = -(t * tf.math.log(p) + (1.0 - t) * tf.math.log(1.0 - p))  # SAFE: p is clipped to [1e-6, 1 - 1e-6] in float32
        bce = tf.reduce_sum(bce * w) / tf.maximum(tf.reduce_sum(w), 1.0)  # SAFE: patches outside the field of view have weight 0, the sum is floored at 1
        return (1.0 - self.alpha) * bce + self.alpha * soft_cldice(t, y_pred)


class WeightedDice(metrics.Metric):
    def __init__(self, name="dice", **kw):
        super().__init__(name=name, **kw)
        self.num = self.add_weight(name="num", initializer="zeros")
        self.den = self.add_weight(name="den", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        t = y_true[..., :1]
        p = K.cast(y_pred > 0.5, "float32")
        self.num.assign_add(2.0 * tf.reduce_sum(t * p))
        self.den.assign_add(tf.reduce_sum(t) + tf.reduce_sum(p))

    def result(self):
        return tf.math.divide_no_nan(self.num + 0.0, self.den + 0.0)  # SAFE: divide_no_nan


def attention_gate(x, g, n):
    a = layers.Activation("relu")(layers.Add()([layers.Conv2D(n, 1)(x), layers.Conv2D(n, 1)(g)]))
    a = layers.Conv2D(1, 1, activation="sigmoid")(a)
    return layers.Multiply()([x, a])


def net(base=16):
    inp = layers.Input((PATCH, PATCH, 1))
    skips, x = [], inp
    for d in range(3):
        for _ in range(2):
            x = layers.Conv2D(base * 2 ** d, 3, padding="same", kernel_initializer="he_normal")(x)  # SAFE: he_normal in front of a normalised ReLU
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        skips.append(x)
        if d < 2:
            x = layers.AveragePooling2D(2)(x)
    for d in (1, 0):
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        x = layers.Concatenate()([x, attention_gate(skips[d], x, base)])
        x = layers.Conv2D(base * 2 ** d, 3, padding="same", activation="relu")(x)
    return Model(inp, layers.Conv2D(1, 1, activation="sigmoid")(x))


class StopOnFlat(Callback):
    """Stops when the relative change of the loss is small for some epochs."""

    def __init__(self, tol=1e-3, patience=5):
        super().__init__()
        self.tol, self.patience = tol, patience

    def on_train_begin(self, logs=None):
        self.prev, self.count = None, 0

    def on_epoch_end(self, epoch, logs=None):
        cur = float(logs["loss"])
        if self.prev is not None:
            rel = abs(self.prev - cur) / max(abs(self.prev), 1e-8)  # SAFE: floored
            self.count = self.count + 1 if rel < self.tol else 0
            self.model.stop_training = self.count >= self.patience
        self.prev = cur


def main(root):
    sig = (tf.TensorSpec((PATCH, PATCH, 1), tf.float32), tf.TensorSpec((PATCH, PATCH, 2), tf.float32))
    train = tf.data.Dataset.from_generator(Patches(root, "train"), output_signature=sig).shuffle(2000).batch(32)
    valid = tf.data.Dataset.from_generator(Patches(root, "valid", 50), output_signature=sig).batch(32)
    model = net()
    model.compile(optimizers.Adam(1e-3), loss=VesselLoss(), metrics=[WeightedDice()])  # SAFE: sigmoid output goes into a loss for probabilities, Adam 1e-3
    model.fit(train, validation_data=valid, epochs=80,
              callbacks=[StopOnFlat(), ModelCheckpoint("vessels.keras", monitor="val_dice", mode="max", save_best_only=True)])


if __name__ == "__main__":
    main(sys.argv[1])
