"""CapsNet for MNIST (Sabour et al. 2017), tf.keras."""
import argparse

import numpy as np
import tensorflow as tf
from tensorflow.keras import backend as K
from tensorflow.keras import callbacks, initializers, layers, models, optimizers


def squash(vectors, axis=-1):
    """Length goes to [0, 1), direction stays."""
    norm = tf.norm(vectors, axis=axis, keepdims=True)  # MAYBE: slope of the norm at zero vectors, its upstream gradient comes from the next lines
    scale = tf.square(norm) / (1.0 + tf.square(norm))  # SAFE: denominator at least 1
    return scale * (vectors / norm)  # BUG: div-zero, after the relu all 8 numbers of some primary capsules are exactly 0 (primary_caps), 0/0


class Length(layers.Layer):
    def call(self, inputs):
        return tf.sqrt(tf.reduce_sum(tf.square(inputs), -1) + K.epsilon())  # SAFE: epsilon 1e-7 is inside the root

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]


class Mask(layers.Layer):
    def call(self, inputs):
        if isinstance(inputs, (list, tuple)):
            caps, onehot = inputs
        else:
            caps = inputs
            x = tf.sqrt(tf.reduce_sum(tf.square(caps), -1))  # SAFE: only used through argmax, which has no gradient
            onehot = tf.one_hot(tf.argmax(x, 1), caps.shape[1])
        return tf.reshape(caps * onehot[..., None], (-1, caps.shape[1] * caps.shape[2]))


class CapsuleLayer(layers.Layer):
    def __init__(self, num_capsule, dim_capsule, routings=3, **kw):
        super().__init__(**kw)
        self.num_capsule, self.dim_capsule, self.routings = num_capsule, dim_capsule, routings

    def build(self, shape):
        self.in_caps, self.in_dim = shape[1], shape[2]
        self.W = self.add_weight(name="W", shape=(self.num_capsule, self.in_caps, self.dim_capsule, self.in_dim),
                                 initializer=initializers.GlorotUniform())

    def call(self, inputs):
        hat = tf.einsum("jiod,bid->bjio", self.W, inputs)
        stopped = tf.stop_gradient(hat)
        b = tf.zeros_like(hat[..., 0])
        for i in range(self.routings):
            c = tf.nn.softmax(b, axis=1)  # SAFE: tf.nn.softmax is stable
            if i == self.routings - 1:
                out = squash(tf.einsum("bji,bjio->bjo", c, hat))
            else:
                out = squash(tf.einsum("bji,bjio->bjo", c, stopped))
                b += tf.einsum("bjo,bjio->bji", out, stopped)
        return out


def primary_caps(x, dim, channels, kernel, stride):
    x = layers.Conv2D(dim * channels, kernel, strides=stride, padding="valid", activation="relu")(x)
    x = layers.Reshape((-1, dim))(x)
    return layers.Lambda(squash, name="primary_squash")(x)


def margin_loss(y_true, y_pred):
    pos = y_true * tf.square(tf.maximum(0.0, 0.9 - y_pred))
    neg = 0.5 * (1.0 - y_true) * tf.square(tf.maximum(0.0, y_pred - 0.1))
    return tf.reduce_mean(tf.reduce_sum(pos + neg, 1))


def capsnet(input_shape, n_class, routings, width=256):
    x = layers.Input(shape=input_shape)
    conv1 = layers.Conv2D(width, 9, activation="relu", name="conv1")(x)
    primary = primary_caps(conv1, 8, max(width // 8, 1), 9, 2)
    digit = CapsuleLayer(n_class, 16, routings, name="digitcaps")(primary)
    out = Length(name="capsnet")(digit)
    y = layers.Input(shape=(n_class,))
    masked_train, masked_eval = Mask()([digit, y]), Mask()(digit)
    decoder = models.Sequential(name="decoder")
    decoder.add(layers.Input((16 * n_class,)))
    decoder.add(layers.Dense(512, activation="relu"))
    decoder.add(layers.Dense(1024, activation="relu"))
    decoder.add(layers.Dense(int(np.prod(input_shape)), activation="sigmoid"))
    decoder.add(layers.Reshape(input_shape, name="recon"))
    return models.Model([x, y], [out, decoder(masked_train)]), models.Model(x, [out, decoder(masked_eval)])


def load_mnist():
    from tensorflow.keras.datasets import mnist
    (xtr, ytr), (xte, yte) = mnist.load_data()
    prep = lambda x: x.reshape(-1, 28, 28, 1).astype("float32") / 255.0  # SAFE: constant divisor
    return (prep(xtr), np.eye(10, dtype="float32")[ytr]), (prep(xte), np.eye(10, dtype="float32")[yte])


def shift_generator(x, y, batch, pixels=2, seed=0):
    rng = np.random.default_rng(seed)
    while True:
        idx = rng.integers(0, len(x), batch)
        dx, dy = rng.integers(-pixels, pixels + 1, 2)
        xb = np.roll(x[idx], (dx, dy), axis=(1, 2))
        yield (xb, y[idx]), (y[idx], xb)


def compile_model(model, lr, lam_recon):
    model.compile(optimizer=optimizers.Adam(learning_rate=lr), loss=[margin_loss, "mse"], loss_weights=[1.0, lam_recon])  # SAFE: lr 1e-3, the decoder ends in a sigmoid and the images are in [0, 1]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--epochs", default=50, type=int)
    p.add_argument("--batch_size", default=100, type=int)
    p.add_argument("--lr", default=0.001, type=float)
    p.add_argument("--lr_decay", default=0.9, type=float)
    p.add_argument("--lam_recon", default=0.392, type=float)
    p.add_argument("-r", "--routings", default=3, type=int)
    a = p.parse_args()
    (xtr, ytr), (xte, yte) = load_mnist()
    model, ev = capsnet(xtr.shape[1:], 10, a.routings)
    compile_model(model, a.lr, a.lam_recon)
    model.fit(shift_generator(xtr, ytr, a.batch_size), steps_per_epoch=len(xtr) // a.batch_size, epochs=a.epochs,
              callbacks=[callbacks.LearningRateScheduler(lambda e: a.lr * a.lr_decay ** e)])
    pred = ev.predict(xte)[0]
    print("accuracy", np.mean(pred.argmax(1) == yte.argmax(1)))


if __name__ == "__main__":
    main()
