"""U-Net for nuclei segmentation (DSB 2018 stage1 in npz form)."""
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import backend as K
from tensorflow.keras import layers

IMG = 128
ALPHA, GAMMA = 0.7, 0.75
SMOOTH = 100.0


def load_npz(path):
    d = np.load(path)
    x = d["images"].astype("float32") / 255.0
    y = (d["masks"] > 0).astype("float32")
    return x, y[..., None] if y.ndim == 3 else y


def random_crops(x, y, rng):
    out_x, out_y = [], []
    for a, b in zip(x, y):
        i = rng.integers(0, a.shape[0] - IMG + 1)
        j = rng.integers(0, a.shape[1] - IMG + 1)
        out_x.append(a[i:i + IMG, j:j + IMG])
        out_y.append(b[i:i + IMG, j:j + IMG])
    return np.stack(out_x), np.stack(out_y)


def tversky(y_true, y_pred):
    axes = [1, 2, 3]
    tp = tf.reduce_sum(y_true * y_pred, axis=axes)
    fn = tf.reduce_sum(y_true * (1 - y_pred), axis=axes)
    fp = tf.reduce_sum((1 - y_true) * y_pred, axis=axes)
    return (tp + SMOOTH) / (tp + ALPHA * fn + (1 - ALPHA) * fp + SMOOTH)  # SAFE: the terms are not negative and SMOOTH is 100


def focal_tversky(y_true, y_pred):
    return K.mean(K.pow(1.0 - tversky(y_true, y_pred), GAMMA))  # BUG: sqrt-grad, index rounds to exactly 1 on empty crops with confident output and x**0.75 has infinite slope at 0


def dice_coef(y_true, y_pred):
    inter = K.sum(y_true * y_pred, axis=[1, 2, 3])
    union = K.sum(y_true, axis=[1, 2, 3]) + K.sum(y_pred, axis=[1, 2, 3])
    return K.mean((2.0 * inter + K.epsilon()) / (union + K.epsilon()))  # SAFE: metric, epsilon in a float32 sum of non-negative terms


def iou_at(y_true, y_pred, thr=0.5):
    p = tf.cast(y_pred > thr, tf.float32)
    inter = tf.reduce_sum(y_true * p)
    union = tf.reduce_sum(tf.maximum(y_true, p))
    return tf.math.divide_no_nan(inter, union)  # SAFE: divide_no_nan


def down(x, f):
    c = layers.Conv2D(f, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
    c = layers.BatchNormalization()(c)
    c = layers.Conv2D(f, 3, padding="same", activation="relu", kernel_initializer="he_normal")(c)
    return c, layers.MaxPooling2D()(c)


def up(x, skip, f):
    x = layers.Conv2DTranspose(f, 2, strides=2, padding="same")(x)
    x = layers.concatenate([x, skip])
    x = layers.Conv2D(f, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
    return layers.BatchNormalization()(x)


def standardize(x):
    m = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
    s = tf.math.reduce_std(x, axis=[1, 2, 3], keepdims=True)
    return (x - m) / tf.maximum(s, 1.0 / IMG)  # SAFE: floored deviation as in per_image_standardization, input has no gradient


def unet(base=16, depth=3):
    inp = keras.Input((IMG, IMG, 3))
    x = layers.Lambda(standardize, output_shape=(IMG, IMG, 3))(inp)
    skips = []
    for d in range(depth):
        c, x = down(x, base * 2 ** d)
        skips.append(c)
    x = layers.Conv2D(base * 2 ** depth, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(0.2)(x)
    for d in reversed(range(depth)):
        x = up(x, skips[d], base * 2 ** d)
    out = layers.Conv2D(1, 1, activation="sigmoid")(x)
    return keras.Model(inp, out)


def main():
    rng = np.random.default_rng(0)
    x, y = load_npz(os.environ.get("NUCLEI", "stage1_train.npz"))
    cx, cy = random_crops(x, y, rng)
    k = int(0.9 * len(cx))
    model = unet()
    model.compile(keras.optimizers.Adam(3e-4), loss=focal_tversky, metrics=[dice_coef, iou_at])
    model.fit(cx[:k], cy[:k], validation_data=(cx[k:], cy[k:]), batch_size=8, epochs=40,
              callbacks=[keras.callbacks.ModelCheckpoint("unet.keras", monitor="val_dice_coef",
                                                         mode="max", save_best_only=True),
                         keras.callbacks.CSVLogger("unet.csv")])


if __name__ == "__main__":
    main()
