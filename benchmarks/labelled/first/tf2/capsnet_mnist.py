"""CapsNet (dynamic routing) on MNIST, keras subclassing."""
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers, initializers


def squash(s, axis=-1):
    sq = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    scale = sq / (1.0 + sq) / tf.sqrt(sq)  # BUG: div-zero, primary capsules after a relu can be the zero vector, 0/0
    return scale * s


def squash_eps(s, axis=-1, epsilon=1e-7):
    sq = tf.reduce_sum(tf.square(s), axis=axis, keepdims=True)
    return sq / (1.0 + sq) / tf.sqrt(sq + epsilon) * s  # SAFE: default epsilon inside the root, 1 + square


class Length(layers.Layer):
    def call(self, x):
        return tf.sqrt(tf.reduce_sum(tf.square(x), -1) + keras.backend.epsilon())  # SAFE: K.epsilon() inside


class LengthRaw(layers.Layer):
    """lengths for the demo app (never trained through)"""

    def call(self, x):
        return tf.stop_gradient(tf.norm(x, axis=-1))  # SAFE: stop_gradient around it


class Mask(layers.Layer):
    def call(self, inputs):
        x, m = inputs
        return keras.layers.Flatten()(x * tf.expand_dims(m, -1))


class PrimaryCaps(layers.Layer):
    def __init__(self, n_ch=32, dim=8, fn=squash_eps, **kw):
        super().__init__(**kw)
        self.dim, self.fn = dim, fn
        self.conv = layers.Conv2D(n_ch * dim, 9, 2, activation="relu")

    def call(self, x):
        h = self.conv(x)
        h = tf.reshape(h, [tf.shape(h)[0], -1, self.dim])
        return self.fn(h)


class DigitCaps(layers.Layer):
    def __init__(self, n=10, dim=16, routings=3, **kw):
        super().__init__(**kw)
        assert routings > 0
        self.n, self.dim, self.routings = n, dim, routings

    def build(self, shape):
        self.W = self.add_weight(shape=[self.n, shape[1], self.dim, shape[2]],
                                 initializer=initializers.GlorotUniform(), name="W")

    def call(self, u):
        u = tf.expand_dims(tf.expand_dims(u, 1), -1)
        u_hat = tf.squeeze(tf.matmul(self.W, tf.tile(u, [1, self.n, 1, 1, 1])), -1)
        b = tf.zeros([tf.shape(u_hat)[0], self.n, tf.shape(u_hat)[2]])
        for i in range(self.routings):
            c = tf.nn.softmax(b, axis=1)  # SAFE: fused softmax
            v = squash_eps(tf.reduce_sum(c[..., None] * u_hat, axis=2))  # SAFE: squash with epsilon
            if i < self.routings - 1:
                b += tf.reduce_sum(u_hat * v[:, :, None, :], -1)
        return v


def margin_loss(y_true, y_pred):
    L = y_true * tf.square(tf.maximum(0.0, 0.9 - y_pred)) + 0.5 * (1 - y_true) * tf.square(tf.maximum(0.0, y_pred - 0.1))
    return tf.reduce_mean(tf.reduce_sum(L, 1))


def spread_xent(y_true, y_pred):
    """cross entropy on normalised capsule lengths"""
    p = y_pred / tf.reduce_sum(y_pred, axis=1, keepdims=True)  # SAFE: lengths come from Length, at least sqrt(1e-7)
    return -tf.reduce_mean(tf.reduce_sum(y_true * tf.math.log(p), axis=1))  # SAFE: p is at least 3e-4 / 10


def capsnet(fn):
    x = keras.Input((28, 28, 1))
    y = keras.Input((10,))
    h = layers.Conv2D(256, 9, activation="relu")(x)
    p = PrimaryCaps(fn=fn)(h)
    d = DigitCaps()(p)
    length = Length(name="caps")(d)
    dec = keras.Sequential([layers.Dense(512, "relu"), layers.Dense(1024, "relu"), layers.Dense(784, "sigmoid"), layers.Reshape((28, 28, 1))], name="rec")
    return keras.Model([x, y], [length, dec(Mask()([d, y]))])


def load():
    (a, b), (c, d) = keras.datasets.mnist.load_data()
    prep = lambda v: v.reshape(-1, 28, 28, 1).astype("float32") / 255.0  # SAFE: constant
    return (prep(a), keras.utils.to_categorical(b)), (prep(c), keras.utils.to_categorical(d))


class LRDecay(keras.callbacks.Callback):
    def __init__(self, base=1e-3, rate=0.9):
        super().__init__()
        self.base, self.rate = base, rate

    def on_epoch_begin(self, epoch, logs=None):
        keras.backend.set_value(self.model.optimizer.learning_rate, self.base * self.rate ** epoch)  # SAFE: power below one


if __name__ == "__main__":
    (xt, yt), (xv, yv) = load()
    for fn, cls_loss in ((squash, margin_loss), (squash_eps, margin_loss), (squash_eps, spread_xent)):
        m = capsnet(fn)
        m.compile(keras.optimizers.Adam(1e-3), loss=[cls_loss, "mse"], loss_weights=[1.0, 0.392 * 10])  # SAFE: lengths with margin loss, pixels with mse
        m.fit([xt, yt], [yt, xt], batch_size=100, epochs=3, callbacks=[LRDecay()], validation_data=([xv, yv], [yv, xv]))
