"""Cats vs dogs. Small CNN trained from scratch or EfficientNetB0 features.

    python cats_dogs.py --data PetImages --arch small
"""
import argparse
import os
import pathlib

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

IMG_SIZE = (180, 180)
CLASS_NAMES = ["Cat", "Dog"]


def remove_corrupted(folder):
    removed = 0
    for name in CLASS_NAMES:
        for p in pathlib.Path(folder, name).glob("*.jpg"):
            with open(p, "rb") as f:
                ok = b"JFIF" in f.peek(10)
            if not ok:
                os.remove(p)
                removed += 1
    print("removed", removed)


def load(folder, batch):
    kw = dict(validation_split=0.2, seed=1337, image_size=IMG_SIZE, batch_size=batch, label_mode="binary")
    tr = keras.utils.image_dataset_from_directory(folder, subset="training", **kw)
    va = keras.utils.image_dataset_from_directory(folder, subset="validation", **kw)
    return tr.prefetch(2), va.prefetch(2)


def augmentation():
    return keras.Sequential([
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.05),
    ], name="augment")


def small_cnn(head_units, head_activation):
    inp = keras.Input(IMG_SIZE + (3,))
    x = augmentation()(inp)
    x = layers.Rescaling(1.0 / 255)(x)  # SAFE: constant scale, maps the 0..255 pixels to [0, 1]
    for f in (16, 32, 64):
        x = layers.Conv2D(f, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    out = layers.Dense(head_units, activation=head_activation)(x)
    return keras.Model(inp, out, name="small_cnn")


def mlp_baseline(head_units, head_activation):
    """Lower bound for the report: one hidden layer on thumbnails."""
    inp = keras.Input(IMG_SIZE + (3,))
    x = layers.Resizing(48, 48)(inp)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)  # BUG: raw-data, 0..255 pixels reach the layer without rescaling, plain SGD with momentum throws the weights to huge values and the units die
    out = layers.Dense(head_units, activation=head_activation)(x)
    return keras.Model(inp, out, name="mlp")


def efficientnet(head_units, head_activation, weights):
    base = keras.applications.EfficientNetB0(include_top=False, weights=weights, input_shape=IMG_SIZE + (3,))
    base.trainable = False
    inp = keras.Input(IMG_SIZE + (3,))
    x = base(inp, training=False)  # SAFE: EfficientNet has its own Rescaling and Normalization layers, it wants 0..255
    x = layers.GlobalAveragePooling2D()(x)
    out = layers.Dense(head_units, activation=head_activation)(x)
    return keras.Model(inp, out, name="effnet")


HEADS = {
    # name: (units, activation)
    "sigmoid": (1, "sigmoid"),
    "linear": (1, None),
}


def build(arch, head, weights=None):
    units, act = HEADS[head]
    if arch == "small":
        return small_cnn(units, act)
    if arch == "mlp":
        return mlp_baseline(units, act)
    return efficientnet(units, act, weights)


def compile_model(model, head, lr):
    if model.name == "mlp":
        opt = keras.optimizers.SGD(0.01, momentum=0.9)
    else:
        opt = keras.optimizers.Adam(lr, epsilon=1e-7)  # SAFE: the default epsilon in float32
    threshold = 0.5 if head == "sigmoid" else 0.0
    model.compile(
        optimizer=opt,
        loss=keras.losses.BinaryCrossentropy(),  # BUG: loss-pairing, default head has no activation: logits go into a loss that wants probabilities, outputs outside (0, 1) are clipped and have gradient 0
        metrics=[keras.metrics.BinaryAccuracy(threshold=threshold)])
    return model


def callbacks(out):
    return [
        keras.callbacks.ModelCheckpoint(os.path.join(out, "best.keras"), monitor="val_loss", save_best_only=True),
        keras.callbacks.EarlyStopping(patience=5),
        keras.callbacks.CSVLogger(os.path.join(out, "log.csv")),
        keras.callbacks.TerminateOnNaN(),
    ]


def calibration_error(y, p, bins=10):
    """Expected calibration error of the validation predictions."""
    y = tf.cast(tf.reshape(y, [-1]), tf.float32)
    p = tf.reshape(p, [-1])
    idx = tf.cast(tf.clip_by_value(tf.floor(p * bins), 0, bins - 1), tf.int32)
    n = tf.math.unsorted_segment_sum(tf.ones_like(p), idx, bins)
    acc = tf.math.unsorted_segment_sum(y, idx, bins) / tf.maximum(n, 1.0)  # SAFE: empty bins are divided by 1
    conf = tf.math.unsorted_segment_sum(p, idx, bins) / tf.maximum(n, 1.0)  # SAFE: empty bins are divided by 1
    return tf.reduce_sum(n * tf.abs(acc - conf)) / tf.cast(tf.size(p), tf.float32)  # SAFE: the validation split is not empty, metric only


def temperature_fit(logits, y, steps=200):
    """Temperature scaling on the validation logits."""
    log_t = tf.Variable(0.0)
    opt = keras.optimizers.Adam(0.05)
    y = tf.cast(y, tf.float32)
    for _ in range(steps):
        with tf.GradientTape() as tape:
            t = tf.exp(tf.clip_by_value(log_t, -3.0, 3.0))  # SAFE: argument clipped to [-3, 3]
            nll = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits / t))  # SAFE: t is between exp(-3) and exp(3)
        opt.apply_gradients([(tape.gradient(nll, log_t), log_t)])
    return float(tf.exp(log_t))


def to_logit(p):
    p = tf.clip_by_value(p, 1e-6, 1.0 - 1e-6)
    return tf.math.log(p) - tf.math.log1p(-p)  # SAFE: p clipped to [1e-6, 1-1e-6]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="PetImages")
    ap.add_argument("--arch", default="small", choices=["small", "mlp", "effnet"])
    ap.add_argument("--head", default="linear", choices=sorted(HEADS))
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=25)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--out", default="pets_out")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    remove_corrupted(a.data)
    train, val = load(a.data, a.batch)
    model = compile_model(build(a.arch, a.head, "imagenet"), a.head, a.lr)
    model.summary()
    model.fit(train, validation_data=val, epochs=a.epochs, callbacks=callbacks(a.out))
    y = tf.concat([b for _, b in val], 0)
    p = model.predict(val.map(lambda x, _: x))
    logits = to_logit(p) if a.head == "sigmoid" else p
    print("ECE", float(calibration_error(y, tf.sigmoid(logits))), "T", temperature_fit(logits, y))


if __name__ == "__main__":
    main()
