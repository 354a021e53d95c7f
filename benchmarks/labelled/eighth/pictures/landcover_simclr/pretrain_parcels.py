import argparse
import glob
import os

import numpy as np
import tensorflow as tf

from contrast import NTXent, alignment, uniformity
from encoder import encoder, projector
from presets import DEFAULT, PRESETS


def normalise(x):
    x = tf.cast(x, tf.float32)
    lo = tf.reduce_min(x, [0, 1], keepdims=True)
    hi = tf.reduce_max(x, [0, 1], keepdims=True)
    return (x - lo) / (hi - lo + 1.0)  # SAFE: at least one digital count in the denominator


def view(x):
    x = tf.image.random_crop(x, [64, 64, 4])
    x = tf.image.random_flip_left_right(tf.image.random_flip_up_down(x))
    g = tf.random.uniform([], 0.7, 1.4)
    x = tf.pow(tf.maximum(x, 0.0), g)  # SAFE: non-negative base in the input pipeline, no gradient
    if tf.random.uniform([]) < 0.3:
        x = tf.repeat(tf.reduce_mean(x, -1, keepdims=True), 4, -1)
    return x * 2.0 - 1.0


def dataset(folder, batch):
    files = glob.glob(os.path.join(folder, "*.npy"))
    raw = np.stack([np.load(f) for f in files])
    ds = tf.data.Dataset.from_tensor_slices(raw).map(normalise, tf.data.AUTOTUNE).cache()
    return ds.shuffle(4096).map(lambda x: (view(x), view(x)), tf.data.AUTOTUNE).batch(batch, drop_remainder=True).prefetch(2), len(files)


def knn_check(enc, x, y, k=5):
    f = enc.predict(x, verbose=0)
    f /= np.linalg.norm(f, axis=1, keepdims=True) + 1e-9  # SAFE: numpy norm plus offset
    sim = f @ f.T - 2 * np.eye(len(f))
    top = np.argsort(-sim, 1)[:, :k]
    vote = np.array([np.bincount(y[t]).argmax() for t in top])
    return (vote == y).mean()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--preset", choices=sorted(PRESETS), default=DEFAULT)
    ap.add_argument("--probe", help=".npz with x, y")
    a = ap.parse_args()
    c = PRESETS[a.preset]
    ds, n = dataset(a.folder, c["batch"])
    enc = encoder(c["width"])
    proj = projector(enc.output_shape[-1], c["proj"])
    crit = NTXent(c["temperature"])
    steps = max(n // c["batch"], 1)
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.CosineDecay(c["lr"], steps * c["epochs"]))  # SAFE: at least one step per epoch

    @tf.function
    def step(a_, b_):
        with tf.GradientTape() as t:
            za, zb = proj(enc(a_, training=True)), proj(enc(b_, training=True))
            loss = crit(za, zb)
        v = enc.trainable_variables + proj.trainable_variables
        opt.apply_gradients(zip(t.gradient(loss, v), v))
        return loss, alignment(za, zb), uniformity(za)

    for ep in range(c["epochs"]):
        s = np.mean([[float(q) for q in step(x, y)] for x, y in ds], 0)
        msg = f"{ep:3d} loss {s[0]:.4f} align {s[1]:.4f} uniform {s[2]:.4f}"
        if a.probe and ep % 10 == 9:
            with np.load(a.probe) as z:
                msg += f" knn {knn_check(enc, z['x'], z['y']):.4f}"
        print(msg, flush=True)
        enc.save_weights("parcels.weights.h5")


if __name__ == "__main__":
    main()
