import argparse
import glob
import os

import numpy as np
import tensorflow as tf

import hparams
from metrics import log_stft_l1, pit_loss, power_to_db, si_sdr, spectral_convergence
from tasnet import build


def random_mix(a, b, rng):
    """Mix two utterances at a random SNR, normalised to a peak of 0.9."""
    snr = rng.uniform(-5.0, 5.0)
    ea = np.sqrt(np.mean(a ** 2) + 1e-8)  # SAFE: numpy, offset inside the root
    eb = np.sqrt(np.mean(b ** 2) + 1e-8)
    b = b * ea / eb * 10.0 ** (-snr / 20.0)  # SAFE: eb >= 1e-4, snr limited to +-5
    mix = a + b
    peak = max(np.abs(mix).max(), 1e-4)
    g = 0.9 / peak  # SAFE: peak floored at 1e-4, two silent segments stay silent
    return (mix * g).astype(np.float32), np.stack([a * g, b * g]).astype(np.float32)


class Mixer:
    def __init__(self, folder, hp, seed=0):
        self.files = sorted(glob.glob(os.path.join(folder, "*", "*.npy")))
        self.hp = hp
        self.rng = np.random.default_rng(seed)

    def segment(self, path):
        n = int(self.hp.seconds * self.hp.sample_rate)
        x = np.load(path, mmap_mode="r")
        if len(x) < n:
            return np.pad(x, (0, n - len(x)))
        o = self.rng.integers(0, len(x) - n + 1)
        return np.array(x[o:o + n], np.float32)

    def __call__(self):
        for _ in range(len(self.files)):
            f, g = self.rng.choice(self.files, 2, replace=False)
            mix, src = random_mix(self.segment(f), self.segment(g), self.rng)
            yield mix[:, None], src


class Experiment:
    def __init__(self, hp):
        self.hp = hp
        self.model = build(hp)
        self.opt = tf.keras.optimizers.Adam(hp.lr, clipnorm=hp.clip)
        self.best, self.bad = np.inf, 0

    def objective(self, est, ref):
        loss = pit_loss(est, ref, self.hp)
        total_e, total_r = tf.reduce_sum(est, 1), tf.reduce_sum(ref, 1)
        loss += 0.5 * spectral_convergence(total_e, total_r, self.hp)
        return loss + 0.1 * log_stft_l1(total_e, total_r, self.hp)

    def step(self, mix, src):
        with tf.GradientTape() as tape:
            loss = self.objective(self.model(mix, training=True), src)
        g = tape.gradient(loss, self.model.trainable_variables)
        self.opt.apply_gradients(zip(g, self.model.trainable_variables))
        return loss

    def improvement(self, mix, src):
        est = self.model(mix)
        base = si_sdr(tf.transpose(mix, [0, 2, 1]), src, self.hp)
        return -pit_loss(est, src, self.hp) - tf.reduce_mean(base)

    def end_epoch(self, val):
        if val < self.best:
            self.best, self.bad = val, 0
            self.model.save_weights("tasnet.weights.h5")
        else:
            self.bad += 1
        if self.bad >= self.hp.patience:
            self.opt.learning_rate.assign(self.opt.learning_rate / 2.0)
            self.bad = 0


def spectrogram_image(wav, hp):
    p = tf.square(tf.abs(tf.signal.stft(wav, 256, 64)))
    return (power_to_db(p, hp) + hp.top_db) / hp.top_db  # SAFE: top_db is the constant 80


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--hparams")
    a = ap.parse_args()
    hp = hparams.load(a.hparams)
    n = int(hp.seconds * hp.sample_rate)
    sig = (tf.TensorSpec([n, 1]), tf.TensorSpec([hp.n_src, n]))
    ds = tf.data.Dataset.from_generator(Mixer(a.folder, hp), output_signature=sig).batch(hp.batch).prefetch(1)
    ex = Experiment(hp)
    writer = tf.summary.create_file_writer("tb")
    for epoch in range(hp.epochs):
        losses = [float(ex.step(m, s)) for m, s in ds]
        mean = sum(losses) / max(len(losses), 1)  # SAFE: max with 1
        ex.end_epoch(mean)
        m, s = next(iter(ds))
        with writer.as_default():
            tf.summary.scalar("loss", mean, epoch)
            tf.summary.scalar("sdri", ex.improvement(m, s), epoch)
            tf.summary.image("mix", spectrogram_image(m[..., 0], hp)[..., None], epoch)


if __name__ == "__main__":
    main()
