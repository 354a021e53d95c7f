import keras
import tensorflow as tf
from keras import layers


class DeepAR(keras.Model):

    def __init__(self, likelihood, units=40, depth=2, dropout=0.1):
        super().__init__()
        self.likelihood = likelihood
        self.cells = layers.StackedRNNCells([layers.LSTMCell(units, dropout=dropout) for _ in range(depth)])
        self.rnn = layers.RNN(self.cells, return_sequences=True)
        self.norm = layers.LayerNormalization(epsilon=1e-6)  # SAFE: float32 and a learned function of bounded LSTM states
        self.head = layers.Dense(likelihood.n_params)

    @staticmethod
    def inputs(z, cov, scale):
        lag = tf.concat([tf.zeros_like(z[:, :1]), z[:, :-1]], 1) / scale  # SAFE: item_scale is one plus a mean of non-negative counts
        return tf.concat([tf.math.log1p(lag)[..., None], cov,  # SAFE: units were clipped to zero when read
                          tf.tile(tf.math.log(scale)[:, None], [1, tf.shape(z)[1], 1])], -1)  # SAFE: scale is at least one

    def call(self, inputs, training=False):
        z, cov, scale = inputs
        h = self.rnn(self.inputs(z, cov, scale), training=training)
        return self.likelihood.params(self.head(self.norm(h)), scale)

    def forecast(self, z, cov, scale, context, horizon, n_samples=50):
        z = tf.repeat(z[:, :context], n_samples, 0)
        cov, scale = tf.repeat(cov, n_samples, 0), tf.repeat(scale, n_samples, 0)
        for k in range(horizon):
            padded = tf.concat([z, tf.zeros_like(z[:, :1])], 1)
            p = self((padded, cov[:, :context + k + 1], scale))
            z = tf.concat([z, self.likelihood.sample(*[v[:, -1:] for v in p])], 1)
        return tf.reshape(z[:, context:], [-1, n_samples, horizon])
