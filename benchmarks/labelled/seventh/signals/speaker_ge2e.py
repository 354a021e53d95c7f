"""Speaker embeddings with the GE2E loss (Wan et al. 2018), Keras 3 model with custom train_step."""
import argparse
import collections
import glob
import os
import random

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

N_MELS, FRAMES = 40, 120


def voice_activity(energy_db, floor=-55.0, margin=30.0):
    top = np.max(energy_db) if len(energy_db) else floor
    return energy_db > max(top - margin, floor)


def frame_energy_db(wav, win=400, hop=160):
    n = 1 + max(0, len(wav) - win) // hop
    idx = np.arange(win)[None] + hop * np.arange(n)[:, None]
    p = np.mean(np.pad(wav, (0, max(0, win - len(wav))))[idx] ** 2, 1)
    return 10.0 * np.log10(np.maximum(p, 1e-10))  # SAFE: floored at 1e-10


def mel_features(wav, sr=16000):
    spec = tf.abs(tf.signal.stft(wav, 400, 160, 512)) ** 2
    mel = tf.signal.linear_to_mel_weight_matrix(N_MELS, 257, sr, 60.0, 7600.0)
    x = tf.math.log(tf.matmul(spec, mel) + 1e-6)  # SAFE: power is >= 0 plus 1e-6
    mean = tf.reduce_mean(x, 0, keepdims=True)
    std = tf.math.reduce_std(x, 0, keepdims=True)
    return (x - mean) / (std + 1e-3)  # SAFE: deviation >= 0 plus 1e-3, part of the data pipeline


class Utterances:
    """folder/speaker/*.npy, batches of n speakers times m utterances."""

    def __init__(self, root, n, m):
        self.n, self.m = n, m
        self.by_speaker = collections.defaultdict(list)
        for f in glob.glob(os.path.join(root, "*", "*.npy")):
            self.by_speaker[os.path.basename(os.path.dirname(f))].append(f)
        self.speakers = [s for s, u in self.by_speaker.items() if len(u) >= m]

    def crop(self, path):
        x = np.load(path)
        if len(x) < FRAMES:
            x = np.pad(x, ((0, FRAMES - len(x)), (0, 0)), mode="wrap")
        o = random.randint(0, len(x) - FRAMES)
        return x[o:o + FRAMES].astype(np.float32)

    def __call__(self):
        while True:
            out = []
            for s in random.sample(self.speakers, self.n):
                out += [self.crop(f) for f in random.sample(self.by_speaker[s], self.m)]
            yield np.stack(out)


@keras.saving.register_keras_serializable("ge2e")
class SpecMask(layers.Layer):
    """SpecAugment in time, fills with zeros."""

    def __init__(self, width=20, **kw):
        super().__init__(**kw)
        self.width = width
        self.seed = keras.random.SeedGenerator(11)

    def call(self, x, training=False):
        if not training:
            return x
        t = ops.shape(x)[1]
        start = keras.random.uniform((ops.shape(x)[0], 1), seed=self.seed) * ops.cast(t - self.width, "float32")
        pos = ops.cast(ops.arange(t), "float32")[None]
        hide = ops.logical_and(pos >= start, pos < start + self.width)
        return ops.where(hide[..., None], 0.0, x)  # SAFE: both branches are finite features


@keras.saving.register_keras_serializable("ge2e")
class AttentiveStats(layers.Layer):
    """Attention weighted mean and deviation."""

    def build(self, shape):
        self.a = layers.Dense(32, activation="tanh")
        self.b = layers.Dense(shape[-1])
        self.a.build(shape)
        self.b.build(shape[:-1] + (32,))

    def call(self, x):
        w = ops.softmax(self.b(self.a(x)), axis=1)
        mean = ops.sum(w * x, axis=1)
        var = ops.sum(w * ops.square(x), axis=1) - ops.square(mean)
        std = ops.sqrt(ops.maximum(var, 1e-7))  # SAFE: cancellation below zero is cut at 1e-7, the slope of the root there is finite
        return ops.concatenate([mean, std], -1)

    def compute_output_shape(self, s):
        return (s[0], 2 * s[-1])


def encoder(dim=64):
    x = inp = keras.Input((FRAMES, N_MELS))
    x = SpecMask()(x)
    for d in (1, 2, 3):
        x = layers.Conv1D(64, 5, dilation_rate=d, padding="same")(x)
        x = layers.LayerNormalization()(x)  # SAFE: keras default epsilon 1e-3 inside the root
        x = layers.ReLU()(x)
    x = layers.Dense(dim)(AttentiveStats()(x))
    return keras.Model(inp, layers.UnitNormalization()(x))  # SAFE: UnitNormalization floors the squared norm at 1e-12


class GE2E(keras.Model):
    def __init__(self, net, n, m, variant="softmax"):
        super().__init__()
        self.net, self.n, self.m_utt = net, n, m
        self.variant = variant
        self.log_w = self.add_weight(shape=(), initializer=keras.initializers.Constant(2.3), name="log_w")
        self.b = self.add_weight(shape=(), initializer=keras.initializers.Constant(-5.0), name="b")
        self.m_loss = keras.metrics.Mean(name="loss")
        self.m_eer = keras.metrics.Mean(name="eer")

    @property
    def metrics(self):
        return [self.m_loss, self.m_eer]

    def call(self, x, training=False):
        return self.net(x, training=training)

    def similarity(self, e):
        """[N, M, D] -> [N, M, N]; the own centroid leaves the utterance out."""
        total = ops.sum(e, axis=1, keepdims=True)
        cent = total[:, 0] / self.m_utt  # SAFE: number of utterances, checked to be at least 2 in main
        loo = (total - e) / (self.m_utt - 1)  # SAFE: m is at least 2 (checked in main)
        unit = lambda v: v * ops.rsqrt(ops.sum(ops.square(v), -1, keepdims=True) + 1e-8)  # SAFE: squared norm plus 1e-8 in float32
        cos = ops.einsum("nmd,kd->nmk", unit(e), unit(cent))
        own = ops.sum(unit(e) * unit(loo), -1)
        eye = ops.eye(self.n)[:, None, :]
        cos = cos * (1.0 - eye) + own[..., None] * eye
        w = ops.exp(ops.clip(self.log_w, -2.0, 4.0))  # SAFE: log scale clipped to [-2, 4]
        return w * cos + self.b, cos

    def loss_from(self, s):
        own = ops.sum(s * ops.eye(self.n)[:, None, :], -1)
        if self.variant == "softmax":
            return ops.mean(ops.logsumexp(s, axis=-1) - own)  # SAFE: ops.logsumexp is shifted by the maximum
        other = ops.where(ops.eye(self.n)[:, None, :] > 0, -1e9, s)
        return ops.mean(1.0 - ops.sigmoid(own) + ops.sigmoid(ops.max(other, -1)))  # SAFE: float32, -1e9 is only passed through max and sigmoid

    def train_step(self, x):
        with tf.GradientTape() as tape:
            e = ops.reshape(self(x, training=True), (self.n, self.m_utt, -1))
            s, cos = self.similarity(e)
            loss = self.loss_from(s)
        v = self.trainable_variables
        g, _ = tf.clip_by_global_norm(tape.gradient(loss, v), 3.0)
        self.optimizer.apply_gradients(zip(g, v))
        self.m_loss.update_state(loss)
        eer = tf.numpy_function(batch_eer, [cos, np.float32(self.n)], tf.float32)
        self.m_eer.update_state(tf.reshape(eer, []))
        return {m.name: m.result() for m in self.metrics}


def batch_eer(cos, n):
    lab = np.broadcast_to(np.eye(int(n), dtype=bool)[:, None], cos.shape).ravel()
    order = np.argsort(-cos.ravel())
    tpr = np.cumsum(lab[order]) / max(lab.sum(), 1)  # SAFE: max with 1
    fpr = np.cumsum(~lab[order]) / max((~lab).sum(), 1)  # SAFE: max with 1
    return np.float32(fpr[np.argmin(np.abs(1.0 - tpr - fpr))])


def score_norm(raw, cohort):
    """Adaptive s-norm, top 50 of the cohort."""
    top = np.sort(cohort)[-50:]
    return (raw - top.mean()) / max(top.std(), 1e-4)  # SAFE: floored at 1e-4


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--speakers", type=int, default=16)
    ap.add_argument("--utterances", type=int, default=5)
    ap.add_argument("--variant", default="softmax", choices=["softmax", "contrast"])
    ap.add_argument("--steps", type=int, default=20000)
    a = ap.parse_args()
    if a.utterances < 2 or a.speakers < 2:
        ap.error("GE2E needs two speakers and two utterances")
    data = Utterances(a.root, a.speakers, a.utterances)
    spec = tf.TensorSpec([a.speakers * a.utterances, FRAMES, N_MELS])
    ds = tf.data.Dataset.from_generator(data, output_signature=spec).prefetch(2)
    model = GE2E(encoder(), a.speakers, a.utterances, a.variant)
    sched = keras.optimizers.schedules.ExponentialDecay(1e-3, 2000, 0.9)
    model.compile(optimizer=keras.optimizers.Adam(sched))
    model.fit(ds, steps_per_epoch=500, epochs=max(1, a.steps // 500))
    model.net.save("speaker.keras")


if __name__ == "__main__":
    main()
