"""Usage: python run_gan.py --npz data/glyphs_48.npz"""
import argparse
import os
import time

import numpy as np
import tensorflow as tf

from settings import RunCfg
from nets import generator, discriminator
from objectives import d_objective, G_OBJECTIVES, feature_diversity


def load_glyphs(cfg):
    with np.load(cfg.npz) as z:
        imgs = z["glyphs"]
        widths = z["advance"]
    keep = widths > 0
    imgs = imgs[keep].astype(np.float32)
    aspect = imgs.shape[1] / widths[keep].astype(np.float32)  # SAFE: rows with zero advance were dropped by keep
    order = np.argsort(aspect)
    lo, hi = np.quantile(aspect, [0.01, 0.99])
    order = order[(aspect[order] >= lo) & (aspect[order] <= hi)]
    return imgs[order][..., None] / 127.5 - 1.0


class Trainer:
    def __init__(self, cfg: RunCfg):
        self.cfg = cfg
        self.G = generator(cfg.gen, cfg.data.side)
        self.D = discriminator(cfg.disc, cfg.data.side)
        self.g_opt = tf.keras.optimizers.Adam(cfg.lr_g, beta_1=cfg.beta1)
        self.d_opt = tf.keras.optimizers.Adam(cfg.lr_d, beta_1=cfg.beta1)
        self.g_loss = G_OBJECTIVES[cfg.gen.mode]
        self.ckpt = tf.train.Checkpoint(G=self.G, D=self.D, g_opt=self.g_opt, d_opt=self.d_opt)
        self.manager = tf.train.CheckpointManager(self.ckpt, cfg.ckpt_dir, max_to_keep=3)

    @tf.function
    def step(self, real):
        n = tf.shape(real)[0]
        z1 = tf.random.normal([n, self.cfg.gen.latent])
        z2 = tf.random.normal([n, self.cfg.gen.latent])
        with tf.GradientTape() as td, tf.GradientTape() as tg:
            x1 = self.G(z1, training=True)
            x2 = self.G(z2, training=True)
            p_real = self.D(real, training=True)
            p_fake = self.D(x1, training=True)
            ld = d_objective(p_real, p_fake)
            lg = self.g_loss(p_fake) + 0.05 * feature_diversity(z1, z2, x1, x2)
        gd = td.gradient(ld, self.D.trainable_variables)
        gg = tg.gradient(lg, self.G.trainable_variables)
        gg, norm = tf.clip_by_global_norm(gg, 10.0)  # SAFE: clip_by_global_norm handles a zero norm
        self.d_opt.apply_gradients(zip(gd, self.D.trainable_variables))
        self.g_opt.apply_gradients(zip(gg, self.G.trainable_variables))
        return ld, lg, norm, tf.reduce_mean(p_real), tf.reduce_mean(p_fake)

    def confidence_db(self, p):
        p = float(np.clip(p, 1e-6, 1 - 1e-6))
        return 10 * np.log10(p / (1 - p))  # SAFE: p clipped away from 0 and 1, host side only


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--npz")
    ap.add_argument("--steps", type=int)
    args = ap.parse_args()
    cfg = RunCfg()
    if args.npz:
        cfg.data.npz = args.npz
    if args.steps:
        cfg.steps = args.steps
    tf.keras.utils.set_random_seed(cfg.seed)
    os.makedirs(cfg.ckpt_dir, exist_ok=True)
    data = load_glyphs(cfg.data)
    ds = (tf.data.Dataset.from_tensor_slices(data).shuffle(8192).repeat()
          .batch(cfg.data.batch, drop_remainder=True).prefetch(2))
    tr = Trainer(cfg)
    t0 = time.time()
    for i, batch in enumerate(ds.take(cfg.steps), 1):
        ld, lg, norm, pr, pf = tr.step(batch)
        if i % cfg.log_every == 0:
            rate = cfg.log_every / max(time.time() - t0, 1e-9)  # SAFE: elapsed time floored
            print(f"{i:6d} D {ld:.4f} G {lg:.4f} |g| {norm:.2f} conf {tr.confidence_db(pr):.1f}dB "
                  f"/ {tr.confidence_db(pf):.1f}dB  {rate:.1f} it/s")
            t0 = time.time()
            tr.manager.save(i)


if __name__ == "__main__":
    main()
