import argparse
import glob
import os
import random

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

import frontend as fe
from settings import LABELS, profile


def scan(root):
    files, ys = [], []
    for i, name in enumerate(LABELS):
        for f in glob.glob(os.path.join(root, name, "*.wav")):
            files.append(f)
            ys.append(i)
    z = list(zip(files, ys))
    random.Random(3).shuffle(z)
    return [a for a, _ in z], [b for _, b in z]


def noise_bank(root):
    bank = []
    for f in glob.glob(os.path.join(root, "_noise_", "*.wav")):
        w, _ = tf.audio.decode_wav(tf.io.read_file(f), desired_channels=1)
        bank.append(w[:, 0])
    return tf.concat(bank, 0)


def loader(files, ys, batch, noise=None):
    def read(path, y):
        wav, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
        wav = fe.peak_normalise(fe.pad_or_trim(wav[:, 0]))
        return wav, y

    def augment(wav, y):
        start = tf.random.uniform([], 0, tf.shape(noise)[0] - fe.RATE, tf.int32)
        snr = tf.random.uniform([], 5.0, 30.0)
        noisy = fe.mix_noise(wav, noise[start:start + fe.RATE], snr)
        return tf.cond(tf.random.uniform([]) < 0.6, lambda: noisy, lambda: wav), y

    ds = tf.data.Dataset.from_tensor_slices((files, ys)).map(read, tf.data.AUTOTUNE).cache()
    if noise is not None:
        ds = ds.shuffle(4096).map(augment, tf.data.AUTOTUNE)
    return ds.batch(batch).prefetch(2)


class TimeNorm(layers.Layer):
    """Per clip mean / variance normalisation over time."""

    def call(self, x):
        mu, var = tf.nn.moments(x, [1], keepdims=True)
        return (x - mu) * tf.math.rsqrt(var + 1e-3)  # SAFE: variance offset by 1e-3


def dscnn(width, frontend):
    inp = tf.keras.Input((fe.RATE,))
    x = fe.LogMel(**frontend)(inp)
    x = TimeNorm()(x)
    x = layers.Reshape((-1, fe.MELS, 1))(x)
    x = layers.Conv2D(width, (10, 4), (2, 2), padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    for _ in range(4):
        x = layers.SeparableConv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return tf.keras.Model(inp, layers.Dense(len(LABELS))(x))


def far_frr(logits, y, thr=0.6):
    p = tf.nn.softmax(logits).numpy()
    wake = np.isin(np.arange(len(LABELS)), [2])
    fire = p[:, wake].max(1) > thr
    pos = y == 2
    far = fire[~pos].sum() / max((~pos).sum(), 1)  # SAFE: count floored at one
    frr = (~fire[pos]).sum() / max(pos.sum(), 1)  # SAFE: count floored at one
    return far, frr


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--profile", default="server")
    ap.add_argument("--out", default="hotword.keras")
    a = ap.parse_args()
    cfg = profile(a.profile)
    files, ys = scan(a.root)
    cut = int(0.9 * len(files))
    noise = noise_bank(a.root)
    tr = loader(files[:cut], ys[:cut], cfg["batch"], noise)
    va = loader(files[cut:], ys[cut:], cfg["batch"])
    net = dscnn(cfg["width"], cfg["frontend"])
    freq = np.bincount(ys[:cut], minlength=len(LABELS)).astype(float)
    cw = {i: float(len(files) / (len(LABELS) * max(f, 1.0))) for i, f in enumerate(freq)}  # SAFE: counts floored at one
    net.compile(tf.keras.optimizers.AdamW(cfg["lr"], weight_decay=1e-4),
                loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])  # SAFE: last Dense has no activation
    net.fit(tr, validation_data=va, epochs=cfg["epochs"], class_weight=cw,
            callbacks=[tf.keras.callbacks.ReduceLROnPlateau(patience=4, factor=0.5)])
    far, frr = far_frr(net.predict(va), np.array(ys[cut:]))
    print(f"FAR {far:.4f} FRR {frr:.4f}")
    net.save(a.out)


if __name__ == "__main__":
    main()
