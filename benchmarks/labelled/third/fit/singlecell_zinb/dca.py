import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from zinb import zinb_nll


class MeanAct(layers.Layer):
    def call(self, x):
        return tf.exp(x)  # BUG: exp-overflow, log_input is off by default in run.py so raw counts (thousands) feed the encoder and x passes 88


class DispAct(layers.Layer):
    def call(self, x):
        return tf.clip_by_value(tf.nn.softplus(x), 1e-4, 1e4)  # SAFE: softplus does not overflow and the result is clipped


class PiAct(layers.Layer):
    def call(self, x):
        return tf.clip_by_value(tf.sigmoid(x), 1e-6, 1.0 - 1e-6)


class ZINBAutoencoder(keras.Model):
    def __init__(self, n_genes, hidden=(64, 32, 64), ridge=0.0, batchnorm=False):
        super().__init__()
        inp = keras.Input((n_genes,))
        x = inp
        for i, h in enumerate(hidden):
            x = layers.Dense(h, kernel_initializer="glorot_uniform", name="h%d" % i)(x)
            if batchnorm:
                x = layers.BatchNormalization(center=True, scale=False)(x)
            x = layers.Activation("relu")(x)
        mean = MeanAct(name="mean")(layers.Dense(n_genes)(x))
        disp = DispAct(name="disp")(layers.Dense(n_genes)(x))
        pi = PiAct(name="pi")(layers.Dense(n_genes)(x))
        self.net = keras.Model(inp, [mean, disp, pi])
        self.ridge = ridge
        self.tracker = keras.metrics.Mean(name="loss")
        self.val_tracker = keras.metrics.Mean(name="loss")

    def call(self, inputs, training=False):
        x, sf = inputs
        mean, disp, pi = self.net(x, training=training)
        return mean * sf[:, None], disp, pi

    def train_step(self, data):
        inputs, counts = data
        with tf.GradientTape() as tape:
            mu, disp, pi = self(inputs, training=True)
            loss = zinb_nll(counts, mu, disp, pi, self.ridge)
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}

    @property
    def metrics(self):
        return [self.tracker]

    def test_step(self, data):
        inputs, counts = data
        self.tracker.update_state(zinb_nll(counts, *self(inputs, training=False)))
        return {"loss": self.tracker.result()}
