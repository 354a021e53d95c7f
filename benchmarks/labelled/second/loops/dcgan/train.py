import argparse
import glob
import os

import numpy as np
import tensorflow as tf

from losses import discriminator_loss, feature_kid, generator_loss, mode_seeking, r1_penalty
from models import build_discriminator, build_generator


def decode(path, size):
    img = tf.io.decode_png(tf.io.read_file(path), channels=3)
    img = tf.image.resize(tf.cast(img, tf.float32), [size, size])
    return img / 127.5 - 1.0  # SAFE: constant divisor, output in [-1, 1]


def image_dataset(folder, size, batch):
    files = sorted(glob.glob(os.path.join(folder, "*.png")))
    ds = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files)).repeat()
    ds = ds.map(lambda p: decode(p, size), num_parallel_calls=tf.data.AUTOTUNE)
    return ds.batch(batch, drop_remainder=True).prefetch(2)


class GAN:
    def __init__(self, noise_dim=100, lr=2e-4, r1_gamma=1.0, ms_weight=0.0, base=64):
        self.noise_dim = noise_dim
        self.r1_gamma = r1_gamma
        self.ms_weight = ms_weight
        self.generator = build_generator(noise_dim, base=base)
        self.discriminator = build_discriminator(base=base)
        self.g_opt = tf.keras.optimizers.Adam(lr, beta_1=0.5)
        self.d_opt = tf.keras.optimizers.Adam(lr, beta_1=0.5)

    def sample(self, n):
        z = tf.random.normal([n, self.noise_dim])
        return z, self.generator(z, training=True)

    def discriminator_step(self, images):
        _, fake = self.sample(tf.shape(images)[0])
        with tf.GradientTape() as tape:
            d_real = self.discriminator(images, training=True)
            d_fake = self.discriminator(fake, training=True)
            loss = discriminator_loss(d_real, d_fake, smooth=0.1)
            if self.r1_gamma > 0:
                loss += 0.5 * self.r1_gamma * r1_penalty(self.discriminator, images)
        grads = tape.gradient(loss, self.discriminator.trainable_variables)
        self.d_opt.apply_gradients(zip(grads, self.discriminator.trainable_variables))
        return loss

    def generator_step(self, n):
        with tf.GradientTape() as tape:
            z, fake = self.sample(n)
            loss = generator_loss(self.discriminator(fake, training=True))
            if self.ms_weight > 0:
                z2, fake2 = self.sample(n)
                loss += self.ms_weight * mode_seeking(fake, fake2, z, z2)
        grads = tape.gradient(loss, self.generator.trainable_variables)
        self.g_opt.apply_gradients(zip(grads, self.generator.trainable_variables))
        return loss

    @tf.function
    def train_step(self, images):
        d_loss = self.discriminator_step(images)
        g_loss = self.generator_step(tf.shape(images)[0])
        return d_loss, g_loss


def save_grid(images, path):
    images = np.clip((images + 1.0) * 127.5, 0, 255).astype(np.uint8)
    rows = np.concatenate(list(images), axis=1)
    tf.io.write_file(path, tf.io.encode_png(rows))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", default="data/faces32")
    parser.add_argument("--steps", type=int, default=50000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--ms-weight", type=float, default=0.1)
    parser.add_argument("--out", default="samples")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    gan = GAN(lr=args.lr, ms_weight=args.ms_weight)
    ckpt = tf.train.CheckpointManager(
        tf.train.Checkpoint(g=gan.generator, d=gan.discriminator), args.out, max_to_keep=2)
    for step, images in enumerate(image_dataset(args.images, 32, args.batch).take(args.steps)):
        d_loss, g_loss = gan.train_step(images)
        if step % 500 == 0:
            _, fake = gan.sample(8)
            kid = feature_kid(tf.reshape(images[:8], [8, -1]), tf.reshape(fake, [8, -1]))
            print(step, float(d_loss), float(g_loss), float(kid))
            save_grid(fake.numpy(), os.path.join(args.out, f"{step:06d}.png"))
            ckpt.save()


if __name__ == "__main__":
    main()
