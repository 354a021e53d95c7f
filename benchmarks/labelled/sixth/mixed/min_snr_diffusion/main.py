import argparse
import tensorflow as tf

from diffusion import GaussianDiffusion
from unet import build


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--schedule", choices=["linear", "cosine"], default="cosine")
    p.add_argument("--timesteps", type=int, default=1000)
    p.add_argument("--snr-gamma", type=float, default=5.0)
    p.add_argument("--batch-size", type=int, default=64)
    p.add_argument("--steps", type=int, default=200000)
    p.add_argument("--lr", type=float, default=2e-4)
    p.add_argument("--ema", type=float, default=0.9995)
    return p.parse_args()


def data(batch_size):
    (x, _), _ = tf.keras.datasets.cifar10.load_data()
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(50000).repeat().batch(batch_size)
    return ds.map(lambda im: tf.cast(im, tf.float32) / 127.5 - 1.0).prefetch(2)  # SAFE: pixels are mapped to [-1, 1]


def make_train_step(model, diff, opt):
    @tf.function
    def step(x0):
        t = tf.random.uniform([tf.shape(x0)[0]], 0, diff.timesteps, tf.int32)
        with tf.GradientTape() as tape:
            loss = diff.training_losses(model, x0, t)
        g = tape.gradient(loss, model.trainable_variables)
        g, norm = tf.clip_by_global_norm(g, 1.0)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return loss, norm
    return step


def main():
    args = parse()
    model, ema = build(), build()
    ema.set_weights(model.get_weights())
    diff = GaussianDiffusion(args.timesteps, args.schedule, args.snr_gamma)
    opt = tf.keras.optimizers.Adam(args.lr)
    train_step = make_train_step(model, diff, opt)
    for i, x0 in enumerate(data(args.batch_size).take(args.steps)):
        loss, norm = train_step(x0)
        for a, b in zip(ema.weights, model.weights):
            a.assign(args.ema * a + (1 - args.ema) * b)
        if i % 500 == 0:
            print(i, float(loss), float(norm))
    ema.save_weights("ema.weights.h5")


if __name__ == "__main__":
    main()
