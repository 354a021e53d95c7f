"""Conv-TasNet style drum/bass separator trained with SI-SDR (permutation free, fixed stem order)."""
import argparse
import logging
import os
import random

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

logger = logging.getLogger("stems")
STEMS = ("drums", "bass", "rest")
SR = 16000


class StemReader:
    """Each track is an .npz with float32 arrays named after the stems."""

    def __init__(self, folder, seconds):
        self.files = sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".npz"))
        self.n = int(SR * seconds)

    def __call__(self):
        order = self.files[:]
        random.shuffle(order)
        for f in order:
            with np.load(f) as z:
                x = np.stack([z[s] for s in STEMS])
            for _ in range(8):
                start = random.randint(0, x.shape[1] - self.n)
                seg = x[:, start:start + self.n]
                mix = seg.sum(0)
                level = np.sqrt(np.mean(mix ** 2))  # SAFE: non-negative and no gradient, host side
                if level < 1e-3:
                    continue
                yield (mix / level).astype(np.float32), (seg / level).astype(np.float32)  # SAFE: quiet excerpts were skipped above

    def dataset(self, batch):
        sig = (tf.TensorSpec([self.n], tf.float32), tf.TensorSpec([len(STEMS), self.n], tf.float32))
        return tf.data.Dataset.from_generator(self, output_signature=sig).shuffle(256).batch(batch).prefetch(2)


class GlobalLayerNorm(layers.Layer):
    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(shape[-1],), initializer="ones")
        self.b = self.add_weight(name="b", shape=(shape[-1],), initializer="zeros")

    def call(self, x):
        m = tf.reduce_mean(x, [1, 2], keepdims=True)
        v = tf.reduce_mean(tf.square(x - m), [1, 2], keepdims=True)
        return self.g * (x - m) / tf.sqrt(v + 1e-8) + self.b  # SAFE: float32 network, 1e-8 sits inside the root


class TCNBlock(layers.Layer):
    def __init__(self, hidden, out, dilation, **kw):
        super().__init__(**kw)
        self.inp = layers.Conv1D(hidden, 1)
        self.a1, self.n1 = layers.PReLU(shared_axes=[1]), GlobalLayerNorm()
        self.dw = layers.DepthwiseConv1D(3, padding="same", dilation_rate=dilation)
        self.a2, self.n2 = layers.PReLU(shared_axes=[1]), GlobalLayerNorm()
        self.res, self.skip = layers.Conv1D(out, 1), layers.Conv1D(out, 1)

    def call(self, x):
        h = self.n1(self.a1(self.inp(x)))
        h = self.n2(self.a2(self.dw(h)))
        return x + self.res(h), self.skip(h)


class Separator(tf.keras.Model):
    def __init__(self, basis=256, win=32, bottleneck=96, hidden=192, repeats=2, blocks=6):
        super().__init__()
        self.basis = basis
        self.enc = layers.Conv1D(basis, win, win // 2, padding="same", activation="relu", use_bias=False)
        self.norm = GlobalLayerNorm()
        self.bn = layers.Conv1D(bottleneck, 1)
        self.tcn = [TCNBlock(hidden, bottleneck, 2 ** i) for _ in range(repeats) for i in range(blocks)]
        self.mask = layers.Conv1D(basis * len(STEMS), 1)
        self.dec = layers.Conv1DTranspose(1, win, win // 2, padding="same", use_bias=False)

    def call(self, wav):
        e = self.enc(wav[..., None])
        h, skip = self.bn(self.norm(e)), 0.0
        for blk in self.tcn:
            h, s = blk(h)
            skip += s
        m = tf.nn.softmax(tf.reshape(self.mask(tf.nn.relu(skip)), [tf.shape(e)[0], tf.shape(e)[1], len(STEMS), self.basis]), 2)
        out = [self.dec(e * m[:, :, i])[..., 0] for i in range(len(STEMS))]
        return tf.stack(out, 1)


def log10(x):
    return tf.math.log(x) / tf.math.log(10.0)


def si_sdr(est, ref, eps=1e-8):
    est = est - tf.reduce_mean(est, -1, keepdims=True)
    ref = ref - tf.reduce_mean(ref, -1, keepdims=True)
    dot = tf.reduce_sum(est * ref, -1, keepdims=True)
    scale = dot / tf.reduce_sum(ref * ref, -1, keepdims=True)  # BUG: div-zero, a stem that is silent in the excerpt has zero energy
    target = scale * ref
    noise = est - target
    ratio = tf.reduce_sum(target ** 2, -1) / (tf.reduce_sum(noise ** 2, -1) + eps)  # SAFE: noise energy plus eps in float32
    return 10.0 * log10(ratio + eps)  # SAFE: non-negative ratio plus eps inside the log


def spectral_term(est, ref):
    total = 0.0
    for n in (256, 1024):
        se = tf.abs(tf.signal.stft(est, n, n // 4))  # SAFE: complex abs has zero gradient at zero in TensorFlow
        sr = tf.abs(tf.signal.stft(ref, n, n // 4))
        total += tf.reduce_mean(tf.abs(tf.math.log1p(se) - tf.math.log1p(sr)))  # SAFE: log1p of magnitudes
    return total


def mixture_consistency(est, mix):
    gap = mix - tf.reduce_sum(est, 1)
    return est + gap[:, None] / len(STEMS)  # SAFE: constant number of stems


def train(args):
    model = Separator()
    opt = tf.keras.optimizers.Adam(args.lr, clipnorm=5.0)
    tr = StemReader(args.train, args.seconds).dataset(args.batch)
    va = StemReader(args.valid, args.seconds).dataset(args.batch)
    best = -np.inf

    @tf.function
    def step(mix, ref):
        with tf.GradientTape() as tape:
            est = mixture_consistency(model(mix), mix)
            sdr = tf.reduce_mean(si_sdr(est, ref))
            loss = -sdr + args.spec * spectral_term(est, ref)
        g = tape.gradient(loss, model.trainable_variables)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return sdr

    for ep in range(args.epochs):
        vals = [float(step(m, r)) for m, r in tr]
        test = []
        for m, r in va:
            est = mixture_consistency(model(m), m)
            active = tf.reduce_mean(r ** 2, -1) > 1e-6
            base = tf.reduce_mean(tf.abs(est - r), -1)
            test.append(float(tf.reduce_sum(tf.where(active, base, 0.0)) /
                              tf.maximum(tf.reduce_sum(tf.cast(active, tf.float32)), 1.0)))  # SAFE: active count floored at one
        logger.info("epoch %d train SI-SDR %.2f valid L1 %.4f", ep, np.mean(vals), np.mean(test))
        if -np.mean(test) > best:
            best = -np.mean(test)
            model.save_weights(args.out)


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", required=True)
    ap.add_argument("--valid", required=True)
    ap.add_argument("--seconds", type=float, default=3.0)
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--epochs", type=int, default=80)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--spec", type=float, default=0.5)
    ap.add_argument("--out", default="stems.weights.h5")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(ap.parse_args())
