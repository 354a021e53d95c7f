import glob
import os

import tensorflow as tf

import settings
from modules import VAE
from objectives import beta_at, decorrelation, gaussian_kl, psnr, recon_nll


def parse(path):
    img = tf.io.decode_png(tf.io.read_file(path), channels=settings.CHANNELS)
    img = tf.image.resize(img, (settings.IMG, settings.IMG))
    return tf.clip_by_value(img / 255.0, 0.0, 1.0)  # SAFE: pixels scaled to [0, 1] here


def dataset(split):
    files = sorted(glob.glob(os.path.join(settings.DATA_DIR, split, "*.png")))
    ds = tf.data.Dataset.from_tensor_slices(files).map(parse, tf.data.AUTOTUNE)
    if split == "train":
        ds = ds.shuffle(2000)
    return ds.batch(settings.BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


class Trainer:
    def __init__(self):
        tf.keras.mixed_precision.set_global_policy(settings.PRECISION)
        self.model = VAE()
        base = tf.keras.optimizers.Adam(settings.LR, epsilon=1e-7)
        self.opt = tf.keras.mixed_precision.LossScaleOptimizer(base)
        self.step = tf.Variable(0, dtype=tf.int64)

    @tf.function
    def train_step(self, x):
        with tf.GradientTape() as tape:
            mu, logvar = self.model.encode(x, training=True)
            z = self.model.reparameterize(mu, logvar)
            logits = self.model.decode(z, training=True)
            rec = recon_nll(x, logits)
            kl = gaussian_kl(mu, logvar)
            beta = beta_at(self.step, settings.BETA_WARMUP, settings.BETA_MAX)
            loss = tf.reduce_mean(rec + beta * kl) + settings.DECORR * decorrelation(mu)
            scaled = self.opt.scale_loss(loss)
        tvars = self.model.trainable_variables
        grads = tape.gradient(scaled, tvars)
        self.opt.apply_gradients(zip(grads, tvars))  # SAFE: loss was scaled, LossScaleOptimizer unscales and skips
        self.step.assign_add(1)
        return loss, tf.reduce_mean(rec), tf.reduce_mean(kl)

    @tf.function
    def eval_step(self, x):
        mu, _ = self.model.encode(x)
        y = tf.sigmoid(tf.cast(self.model.decode(mu), tf.float32))
        return tf.reduce_mean(psnr(x, y))

    def fit(self):
        ckpt = tf.train.Checkpoint(model=self.model, step=self.step)
        mgr = tf.train.CheckpointManager(ckpt, "ckpt_vae", max_to_keep=2)
        for epoch in range(settings.EPOCHS):
            for x in dataset("train"):
                loss, rec, kl = self.train_step(x)
                if int(self.step) % 200 == 0:
                    tf.print("step", self.step, "loss", loss, "rec", rec, "kl", kl)
            scores = [self.eval_step(x) for x in dataset("valid")]
            if scores:
                print("epoch", epoch, "psnr", float(tf.add_n(scores)) / len(scores))  # SAFE: only for a non-empty list
            mgr.save()


if __name__ == "__main__":
    Trainer().fit()
