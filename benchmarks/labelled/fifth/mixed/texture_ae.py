"""Texture autoencoder with style statistics, trained in mixed precision on one GPU.

The style terms compare Gram matrices and channel deviations of the encoder
features of input and reconstruction (the encoder is shared, as in a
perceptual loss with its own features).
"""
import argparse
import glob
import os

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--glob", default="data/textures/*.jpg")
    p.add_argument("--size", type=int, default=512)
    p.add_argument("--batch", type=int, default=2)
    p.add_argument("--steps", type=int, default=20000)
    p.add_argument("--lr", type=float, default=2e-4)
    p.add_argument("--policy", default="mixed_float16")
    p.add_argument("--w-gram", type=float, default=1e-2)
    p.add_argument("--w-std", type=float, default=0.1)
    p.add_argument("--w-tv", type=float, default=1e-4)
    p.add_argument("--w-ssim", type=float, default=0.5)
    p.add_argument("--out", default="runs/texture")
    return p.parse_args(argv)


def dataset(pattern, size, batch):
    files = glob.glob(pattern)

    def load(f):
        img = tf.io.decode_jpeg(tf.io.read_file(f), channels=3)
        img = tf.image.convert_image_dtype(img, tf.float32)
        s = tf.shape(img)
        short = tf.minimum(s[0], s[1])
        scale = tf.maximum(1.0, tf.cast(size, tf.float32) / tf.cast(tf.maximum(short, 1), tf.float32))  # SAFE: maximum with 1
        new = tf.cast(tf.math.ceil(tf.cast(s[:2], tf.float32) * scale), tf.int32)
        return tf.image.random_crop(tf.image.resize(img, new), [size, size, 3])
    ds = tf.data.Dataset.from_tensor_slices(files).shuffle(1000).repeat()
    return ds.map(load, tf.data.AUTOTUNE).batch(batch).prefetch(2)


class InstanceNorm(layers.Layer):
    def __init__(self, eps=1e-3, **kw):
        super().__init__(**kw)
        self.eps = eps

    def build(self, shape):
        self.g = self.add_weight(name="g", shape=(shape[-1],), initializer="ones")
        self.b = self.add_weight(name="b", shape=(shape[-1],), initializer="zeros")

    def call(self, x):
        y = tf.cast(x, tf.float32)
        m, v = tf.nn.moments(y, [1, 2], keepdims=True)
        y = (y - m) * tf.math.rsqrt(v + self.eps)  # SAFE: computed in float32, variance plus 1e-3
        return tf.cast(y, x.dtype) * tf.cast(self.g, x.dtype) + tf.cast(self.b, x.dtype)


class Encoder(keras.Model):
    def __init__(self, width=32, **kw):
        super().__init__(**kw)
        self.c1 = layers.Conv2D(width, 5, padding="same")
        self.n1 = InstanceNorm()
        self.c2 = layers.Conv2D(2 * width, 3, strides=2, padding="same", activation="relu")
        self.c3 = layers.Conv2D(4 * width, 3, strides=2, padding="same", activation="relu")

    def call(self, x):
        a = tf.nn.relu(self.n1(self.c1(x)))
        b = self.c2(a)
        return a, b, self.c3(b)


def make_decoder(width=32):
    return keras.Sequential([
        layers.Conv2DTranspose(2 * width, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(width, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(3, 5, padding="same"),
        layers.Activation("sigmoid", dtype="float32")])


def gram(feat):
    """Channel correlations, (b, c, c)."""
    s = tf.shape(feat)
    f = tf.reshape(feat, [s[0], s[1] * s[2], feat.shape[-1]])
    total = tf.matmul(f, f, transpose_a=True)  # BUG: half, features are float16 under the policy; 262144 positions (size 512) of normalised activations sum to about 131000, above 65504
    return tf.cast(total, tf.float32) / tf.cast(s[1] * s[2], tf.float32)  # SAFE: the number of positions is positive


def channel_deviation(feat):
    f = tf.cast(feat, tf.float32)
    return tf.math.reduce_std(f, axis=[1, 2])  # BUG: sqrt-grad, a relu channel that is 0 everywhere has deviation 0 and a NaN gradient


def channel_mean(feat):
    return tf.reduce_mean(tf.cast(feat, tf.float32), axis=[1, 2])


def total_variation(img):
    dx = img[:, :, 1:] - img[:, :, :-1]
    dy = img[:, 1:] - img[:, :-1]
    return tf.reduce_mean(tf.sqrt(tf.square(dx[:, :-1]) + tf.square(dy[:, :, :-1]) + 1e-6))  # SAFE: 1e-6 inside the root, float32 image


def ssim_term(x, y):
    return 1.0 - tf.reduce_mean(tf.image.ssim(x, y, max_val=1.0))  # SAFE: ssim has its own constants k1 and k2


def psnr(x, y):
    mse = tf.reduce_mean(tf.square(x - y), axis=[1, 2, 3])
    return tf.reduce_mean(-10.0 * tf.math.log(tf.maximum(mse, 1e-8)) / tf.math.log(10.0))  # SAFE: maximum with 1e-8


class TextureTrainer:
    def __init__(self, args):
        self.args = args
        self.enc, self.dec = Encoder(), make_decoder()
        base = keras.optimizers.Adam(args.lr, epsilon=1e-6)
        self.opt = keras.optimizers.LossScaleOptimizer(base) if "float16" in args.policy else base
        self.variables = None

    def losses(self, x):
        fx = self.enc(x)
        y = self.dec(fx[-1])
        fy = self.enc(y)
        a = self.args
        parts = {"l1": tf.reduce_mean(tf.abs(x - y)), "tv": a.w_tv * total_variation(y),
                 "ssim": a.w_ssim * ssim_term(x, y)}
        parts["gram"] = a.w_gram * tf.reduce_mean(tf.abs(gram(fx[0]) - gram(fy[0])))
        parts["std"] = a.w_std * tf.add_n([tf.reduce_mean(tf.abs(channel_deviation(p) - channel_deviation(q)))
                                           + tf.reduce_mean(tf.abs(channel_mean(p) - channel_mean(q)))
                                           for p, q in zip(fx, fy)])
        return tf.add_n(list(parts.values())), parts, y

    def step(self, x):
        with tf.GradientTape() as tape:
            loss, parts, y = self.losses(x)
            scaled = self.opt.scale_loss(loss)
        vs = self.enc.trainable_variables + self.dec.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(scaled, vs), vs))
        return loss, parts, psnr(x, y)


def main():
    args = get_args()
    keras.mixed_precision.set_global_policy(args.policy)
    trainer = TextureTrainer(args)
    os.makedirs(args.out, exist_ok=True)
    for i, x in enumerate(dataset(args.glob, args.size, args.batch).take(args.steps)):
        loss, parts, quality = trainer.step(x)
        if i % 100 == 0:
            print(i, float(loss), {k: round(float(v), 4) for k, v in parts.items()}, float(quality))
    trainer.enc.save_weights(os.path.join(args.out, "enc.weights.h5"))


if __name__ == "__main__":
    main()
