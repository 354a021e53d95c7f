# Seedling species classifier, EfficientNet features + two phase fine-tuning
import os
import sys
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.model_selection import StratifiedKFold
from sklearn.metrics import f1_score, log_loss

DATA = os.environ.get("SEEDLINGS", "/kaggle/input/seedlings")
IMG = 224
BATCH = 32
SEED = 2024
FOLDS = 5
MIXUP = 0.2
AUTO = tf.data.AUTOTUNE

df = pd.read_csv(os.path.join(DATA, "train.csv"))
species = sorted(df.species.unique())
N = len(species)
df["y"] = df.species.map({s: i for i, s in enumerate(species)})
counts = df.y.value_counts().sort_index().to_numpy()
class_w = counts.sum() / (N * counts)  # SAFE: every species listed has at least one row
class_w = np.sqrt(class_w)  # SAFE: positive ratios, preprocessing only
class_w = class_w / class_w.mean()
print(dict(zip(species, class_w.round(2))))


def decode(path, y):
    img = tf.io.decode_png(tf.io.read_file(path), channels=3)
    img = tf.image.resize(img, (IMG, IMG))
    return img, tf.one_hot(y, N)  # SAFE: pixels stay 0..255 because EfficientNet rescales inside


augment = tf.keras.Sequential([
    tf.keras.layers.RandomFlip("horizontal_and_vertical"),
    tf.keras.layers.RandomRotation(0.25),
    tf.keras.layers.RandomZoom(0.15),
    tf.keras.layers.RandomContrast(0.2),
])


def sample_beta(n, a):
    g1 = tf.random.gamma([n], a)
    g2 = tf.random.gamma([n], a)
    return (g1 + 1e-6) / (g1 + g2 + 2e-6)  # SAFE: offsets keep numerator and denominator positive


def mixup(x, y):
    n = tf.shape(x)[0]
    lam = sample_beta(n, MIXUP)
    lam = tf.maximum(lam, 1.0 - lam)
    idx = tf.random.shuffle(tf.range(n))
    lx = lam[:, None, None, None]
    ly = lam[:, None]
    return lx * x + (1 - lx) * tf.gather(x, idx), ly * y + (1 - ly) * tf.gather(y, idx)


def make(frame, train):
    paths = [os.path.join(DATA, "train", f) for f in frame.file]
    ds = tf.data.Dataset.from_tensor_slices((paths, frame.y.to_numpy()))
    if train:
        ds = ds.shuffle(len(frame), seed=SEED)
    ds = ds.map(decode, AUTO).batch(BATCH)
    if train:
        ds = ds.map(lambda x, y: (augment(x, training=True), y), AUTO).map(mixup, AUTO)
        w = tf.constant(class_w, tf.float32)
        ds = ds.map(lambda x, y: (x, y, tf.reduce_sum(y * w, -1)), AUTO)
    return ds.prefetch(AUTO)


class GeM(tf.keras.layers.Layer):
    """Generalised mean pooling with a trainable exponent."""

    def __init__(self, p=3.0, eps=1e-4, **kw):
        super().__init__(**kw)
        self.p0, self.eps = p, eps

    def build(self, shape):
        self.p = self.add_weight(name="p", shape=(), initializer=tf.keras.initializers.Constant(self.p0),
                                 constraint=lambda v: tf.clip_by_value(v, 1.0, 6.0))

    def call(self, x):
        x = tf.maximum(x, self.eps)
        m = tf.reduce_mean(tf.pow(x, self.p), axis=[1, 2])  # SAFE: base floored at 1e-4 and exponent constrained to [1, 6]
        return tf.pow(m, 1.0 / self.p)  # SAFE: mean is at least 1e-24 in float32 and p is at least 1


def build():
    base = tf.keras.applications.EfficientNetB0(include_top=False, weights="imagenet", input_shape=(IMG, IMG, 3))
    base.trainable = False
    inp = tf.keras.Input((IMG, IMG, 3))
    x = base(inp, training=False)
    x = GeM()(x)
    x = tf.keras.layers.Dropout(0.3)(x)
    x = tf.keras.layers.Dense(256, activation="swish")(x)
    out = tf.keras.layers.Dense(N, activation="softmax")(x)
    return tf.keras.Model(inp, out), base


loss_fn = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05)


def run_fold(k, tr, va):
    tf.keras.backend.clear_session()
    model, base = build()
    ds_tr, ds_va = make(df.iloc[tr], True), make(df.iloc[va], False)
    model.compile(tf.keras.optimizers.Adam(1e-3), loss=loss_fn, metrics=["accuracy"])  # BUG: loss-pairing, the head already applies softmax but the loss uses from_logits=True
    model.fit(ds_tr, validation_data=ds_va, epochs=5, verbose=2)
    for layer in base.layers[-60:]:
        if not isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.trainable = True
    steps = len(tr) // BATCH
    sched = tf.keras.optimizers.schedules.CosineDecay(1e-4, 15 * max(steps, 1), alpha=0.01)  # SAFE: decay steps floored at one epoch step
    model.compile(tf.keras.optimizers.Adam(sched), loss=loss_fn, metrics=["accuracy"])  # BUG: loss-pairing, fine-tuning phase reuses the logits loss on softmax output
    cb = [tf.keras.callbacks.ModelCheckpoint(f"fold{k}.weights.h5", monitor="val_loss",
                                             save_best_only=True, save_weights_only=True),
          tf.keras.callbacks.EarlyStopping(monitor="val_loss", patience=4)]
    model.fit(ds_tr, validation_data=ds_va, epochs=15, callbacks=cb, verbose=2)
    model.load_weights(f"fold{k}.weights.h5")
    p = model.predict(ds_va, verbose=0)
    return p


def entropy(p):
    return float(np.mean(-np.sum(p * np.log(np.clip(p, 1e-12, 1.0)), axis=1)))  # SAFE: clipped before the log, evaluation only


def main():
    oof = np.zeros((len(df), N), np.float32)
    skf = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for k, (tr, va) in enumerate(skf.split(df, df.y)):
        oof[va] = run_fold(k, tr, va)
        print(f"fold {k} f1 {f1_score(df.y.iloc[va], oof[va].argmax(1), average='macro'):.4f} H {entropy(oof[va]):.3f}")
    norm = oof / oof.sum(1, keepdims=True)  # SAFE: softmax rows sum to one
    print("oof f1", f1_score(df.y, norm.argmax(1), average="macro"), "nll", log_loss(df.y, norm, labels=range(N)))
    np.save("oof.npy", norm)


if __name__ == "__main__":
    sys.exit(main())
