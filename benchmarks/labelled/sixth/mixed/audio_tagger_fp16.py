"""Audio event tagging with a half precision feature cache and a mixed precision CRNN."""
import argparse
import csv
import os
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, mixed_precision

SR, N_FFT, HOP, N_MELS = 32000, 2048, 1024, 64
CLASSES = 20


def mel_matrix():
    return tf.signal.linear_to_mel_weight_matrix(N_MELS, N_FFT // 2 + 1, SR, 50.0, 14000.0)


def power_mel(wav, mel):
    """wav in [-1, 1]; power spectrogram stored as float16 to halve the cache on disk."""
    s = tf.signal.stft(wav, N_FFT, HOP, N_FFT)
    p = tf.matmul(tf.square(tf.abs(s)), mel)
    return tf.cast(p, tf.float16)  # BUG: half, power of a loud 2048 sample frame goes up to 2.6e5, above 65504 it becomes inf and stays inf through the log


def log_compress(feat):
    x = tf.cast(feat, tf.float32)
    return tf.math.log(x + 1e-5)  # SAFE: cast back to float32 and 1e-5 added to a non-negative power


def pcen(feat, s=0.04, alpha=0.98, delta=2.0, r=0.5, eps=1e-6):
    x = tf.cast(feat, tf.float32)
    m = tf.scan(lambda a, b: (1 - s) * a + s * b, tf.transpose(x, [1, 0, 2]))
    m = tf.transpose(m, [1, 0, 2])
    return tf.pow(x / tf.pow(eps + m, alpha) + delta, r) - delta ** r  # SAFE: smoothed energy plus eps, base of the root at least delta = 2


def normalise(x, stats):
    return (x - stats["mean"]) / np.maximum(stats["std"], 1e-2)  # SAFE: std floored


def corpus_stats(feats):
    f = np.concatenate([np.asarray(v, "float32").reshape(-1, N_MELS) for v in feats])
    return {"mean": f.mean(0), "std": f.std(0)}


class GatedPool(layers.Layer):
    """Attention pooling over time computed in float32."""

    def __init__(self, classes, **kw):
        super().__init__(dtype="float32", **kw)
        self.att, self.cla = layers.Dense(classes, dtype="float32"), layers.Dense(classes, dtype="float32")

    def call(self, x):
        a = tf.exp(tf.clip_by_value(self.att(x), -10.0, 10.0))  # SAFE: scores clipped to +-10 and the layer runs in float32
        a = a / tf.reduce_sum(a, 1, keepdims=True)  # SAFE: every term is at least exp(-10)
        return tf.reduce_sum(a * self.cla(x), 1)


def build(frames):
    inp = layers.Input((frames, N_MELS))
    x = layers.Reshape((frames, N_MELS, 1))(inp)
    for f in (16, 32, 64):
        x = layers.Conv2D(f, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.AveragePooling2D((1, 4))(x)
    x = layers.Reshape((frames, 64))(x)
    x = layers.Bidirectional(layers.GRU(32, return_sequences=True))(x)
    return tf.keras.Model(inp, GatedPool(CLASSES)(x))


def focal(y, logits, gamma=1.5):
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits)  # SAFE: float32 logits from the pooling layer
    p = tf.sigmoid(logits)
    pt = y * p + (1 - y) * (1 - p)
    return tf.reduce_mean(tf.pow(tf.maximum(1.0 - pt, 1e-6), gamma) * ce)  # SAFE: base floored, exponent above 1


def lwlrap(y, s):
    out = []
    for t, p in zip(y, s):
        pos = np.flatnonzero(t)
        if not len(pos):
            continue
        rank = np.argsort(np.argsort(-p)) + 1
        for c in pos:
            out.append((t[rank <= rank[c]] > 0).sum() / rank[c])  # SAFE: ranks start at 1
    return float(np.mean(out)) if out else 0.0


def cache(rows, out):
    mel = mel_matrix()
    os.makedirs(out, exist_ok=True)
    for path, _ in rows:
        wav, _ = tf.audio.decode_wav(tf.io.read_file(path), 1)
        np.save(os.path.join(out, os.path.basename(path) + ".npy"), power_mel(tf.transpose(wav), mel)[0].numpy())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--csv", default="fsd_train.csv")
    ap.add_argument("--cache", default="cache")
    ap.add_argument("--frames", type=int, default=128)
    ap.add_argument("--epochs", type=int, default=40)
    a = ap.parse_args()
    rows = [(r["file"], [int(c) for c in r["labels"].split()]) for r in csv.DictReader(open(a.csv))]
    if not os.path.isdir(a.cache):
        cache(rows, a.cache)
    feats = [log_compress(np.load(os.path.join(a.cache, os.path.basename(p) + ".npy"))[:a.frames]).numpy() for p, _ in rows]
    stats = corpus_stats(feats)
    x = np.stack([normalise(np.pad(f, ((0, a.frames - len(f)), (0, 0))), stats) for f in feats]).astype("float32")
    y = np.zeros((len(rows), CLASSES), "float32")
    for k, (_, l) in enumerate(rows):
        y[k, l] = 1
    mixed_precision.set_global_policy("mixed_float16")
    m = build(a.frames)
    m.compile(tf.keras.optimizers.Adam(1e-3), loss=focal)  # SAFE: compile wraps the optimizer in a LossScaleOptimizer under mixed_float16
    m.fit(x, y, batch_size=64, epochs=a.epochs)
    print("lwlrap", lwlrap(y, m.predict(x)))


if __name__ == "__main__":
    main()
