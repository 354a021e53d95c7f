# Chest X-ray: pneumonia / normal. Transfer learning with MobileNetV2 (frozen), then fine tuning.
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, models, optimizers
from tensorflow.keras.applications import MobileNetV2
from tensorflow.keras.applications.mobilenet_v2 import preprocess_input
from tensorflow.keras.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

IMG = 160
BATCH = 32


def list_split(root, split):
    paths, labels = [], []
    for label, name in enumerate(["NORMAL", "PNEUMONIA"]):
        folder = os.path.join(root, split, name)
        for f in sorted(os.listdir(folder)):
            if f.lower().endswith((".jpeg", ".jpg", ".png")):
                paths.append(os.path.join(folder, f))
                labels.append(label)
    return np.array(paths), np.array(labels, "float32")


def clahe_like(img, clip=0.02, bins=64):
    """Global histogram equalisation with a clipped histogram, img in [0, 1]."""
    idx = tf.cast(tf.clip_by_value(img, 0.0, 1.0) * (bins - 1), tf.int32)
    hist = tf.cast(tf.math.bincount(tf.reshape(idx, [-1]), minlength=bins), tf.float32)
    hist = hist / tf.reduce_sum(hist)  # SAFE: an image has at least one pixel
    hist = tf.minimum(hist, clip) + tf.reduce_sum(tf.maximum(hist - clip, 0.0)) / bins  # SAFE: bins is a positive constant
    cdf = tf.cumsum(hist)
    cdf = cdf / cdf[-1]  # SAFE: the clipped histogram was filled up again, its sum is 1
    return tf.gather(cdf, idx)


def load_image(path, label):
    img = tf.io.decode_image(tf.io.read_file(path), channels=1, expand_animations=False)
    return to_input(img), label


def to_input(img):
    img = tf.image.resize(tf.cast(img, tf.float32) / 255.0, (IMG, IMG))  # SAFE: constant divisor
    img = clahe_like(img)
    img = tf.image.grayscale_to_rgb(img) * 255.0
    return preprocess_input(img)  # SAFE: 0..255 is what preprocess_input of MobileNetV2 wants, result is in [-1, 1]


def dataset(paths, labels, training):
    ds = tf.data.Dataset.from_tensor_slices((paths, labels))
    if training:
        ds = ds.shuffle(len(labels))
    return ds.map(load_image, num_parallel_calls=2).batch(BATCH).prefetch(2)


def class_weight(labels):
    n, pos = len(labels), float(labels.sum())
    pos = min(max(pos, 1.0), n - 1.0)
    return {0: n / (2.0 * (n - pos)), 1: n / (2.0 * pos)}  # SAFE: pos was limited to [1, n - 1]


def build(weights="imagenet"):
    base = MobileNetV2(input_shape=(IMG, IMG, 3), include_top=False, weights=weights)
    base.trainable = False
    model = models.Sequential([
        layers.Input((IMG, IMG, 3)),
        base,
        layers.GlobalAveragePooling2D(),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(1, activation="sigmoid"),
    ])
    return model, base


def compile_stage(model, lr):
    model.compile(optimizer=optimizers.Adam(learning_rate=lr),  # SAFE: 1e-3 for the head and 1e-5 for fine tuning
                  loss="categorical_crossentropy", metrics=["accuracy"])  # BUG: loss-pairing, one sigmoid unit (build): the class sum normalises it to 1, the loss is constant and its gradient is rounding noise


def sensitivity_specificity(y, p, t=0.5):
    q = p > t
    tp, fn = (q & (y == 1)).sum(), (~q & (y == 1)).sum()
    tn, fp = (~q & (y == 0)).sum(), (q & (y == 0)).sum()
    return tp / max(tp + fn, 1), tn / max(tn + fp, 1)  # SAFE: denominators at least 1


def grad_cam(model, base, img):
    head = model.layers[1:]
    with tf.GradientTape() as tape:
        fmap = base(img[None], training=False)
        tape.watch(fmap)
        x = fmap
        for layer in head:
            x = layer(x)
        out = x[:, 0]
    g = tape.gradient(out, fmap)
    w = tf.reduce_mean(g, axis=(1, 2), keepdims=True)
    cam = tf.nn.relu(tf.reduce_sum(w * fmap, -1))[0]
    return (cam / (tf.reduce_max(cam) + 1e-8)).numpy()  # SAFE: relu output plus 1e-8, for the picture only


def main(root):
    xtr, ytr = list_split(root, "train")
    xva, yva = list_split(root, "test")
    train, valid = dataset(xtr, ytr, True), dataset(xva, yva, False)
    model, base = build()
    cw = class_weight(ytr)
    compile_stage(model, 1e-3)
    model.fit(train, validation_data=valid, epochs=10, class_weight=cw,
              callbacks=[EarlyStopping(patience=3, restore_best_weights=True)])
    base.trainable = True
    for layer in base.layers[:100]:
        layer.trainable = False
    compile_stage(model, 1e-5)
    model.fit(train, validation_data=valid, epochs=10, class_weight=cw,
              callbacks=[ReduceLROnPlateau(patience=2), ModelCheckpoint("xray.keras", save_best_only=True)])
    p = model.predict(valid)[:, 0]
    print("sens / spec", sensitivity_specificity(yva, p))


if __name__ == "__main__":
    main(sys.argv[1])
