import argparse
import os

import tensorflow as tf

import pipeline
from net import PhotoVAE, free_bits, mmd


class Trainer:
    def __init__(self, model, lr, beta, mmd_weight, warmup):
        self.model = model
        self.beta, self.mmd_weight = beta, mmd_weight
        self.warmup = float(max(warmup, 1))
        self.opt = tf.keras.optimizers.Adam(lr, clipnorm=10.0)
        self.seen = tf.Variable(0.0, trainable=False)
        self.metrics = {k: tf.keras.metrics.Mean(k) for k in ("rec", "kl", "mmd")}

    def reconstruction(self, x, logits):
        ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)  # BUG: raw-data, convert_image_dtype leaves the float image of tf.image.resize at 0..255, so targets exceed 1 and the loss has no lower bound
        return tf.reduce_mean(tf.reduce_sum(ce, [1, 2, 3]))

    @tf.function
    def step(self, x):
        w = self.beta * tf.minimum(1.0, self.seen / self.warmup)  # SAFE: warmup is floored at 1
        with tf.GradientTape() as tape:
            logits, mu, sigma = self.model(x, training=True)
            rec = self.reconstruction(x, logits)
            kl = free_bits(mu, sigma)
            z = mu + sigma * tf.random.normal(tf.shape(mu))
            d = mmd(z, tf.random.normal(tf.shape(z)))
            loss = rec + w * kl + self.mmd_weight * d
        v = self.model.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(loss, v), v))
        self.seen.assign_add(1.0)
        for k, val in zip(("rec", "kl", "mmd"), (rec, kl, d)):
            self.metrics[k].update_state(val)
        return loss

    def report(self):
        out = {k: float(m.result()) for k, m in self.metrics.items()}
        for m in self.metrics.values():
            m.reset_state()
        return out


def sharpness(imgs):
    """Mean gradient magnitude of samples, for the log only."""
    dy, dx = tf.image.image_gradients(imgs)
    return float(tf.reduce_mean(tf.sqrt(dx ** 2 + dy ** 2)))  # SAFE: no gradient is taken through this value


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--photos", required=True)
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--epochs", type=int, default=50)
    p.add_argument("--lr", type=float, default=1e-4)
    p.add_argument("--beta", type=float, default=1.0)
    p.add_argument("--mmd", type=float, default=10.0)
    p.add_argument("--out", default="photo_out")
    a = p.parse_args()
    ds = pipeline.dataset(a.photos, a.size, a.batch, True)
    tr = Trainer(PhotoVAE(a.size), a.lr, a.beta, a.mmd, warmup=2000)
    os.makedirs(a.out, exist_ok=True)
    for ep in range(a.epochs):
        for x in ds:
            tr.step(x)
        s = tr.model.sample(64)
        print(ep, tr.report(), "sharp", sharpness(s))
        png = tf.io.encode_png(tf.image.convert_image_dtype(pipeline.thumbnails(s), tf.uint8))
        tf.io.write_file(os.path.join(a.out, f"{ep:03d}.png"), png)


if __name__ == "__main__":
    main()
