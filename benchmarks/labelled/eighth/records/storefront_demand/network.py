import tensorflow as tf
from tensorflow import keras

MEAN_FLOOR = 1e-5


class DemandNet(keras.Model):
    """GRU encoder and a direct head for every week of the horizon."""

    def __init__(self, cfg, **kwargs):
        super().__init__(**kwargs)
        self.cfg = cfg
        self.cells = [keras.layers.GRU(cfg.hidden, return_sequences=True) for _ in range(cfg.layers)]
        self.norm = keras.layers.LayerNormalization()
        self.mean_head = keras.layers.Dense(cfg.horizon)
        self.disp_head = keras.layers.Dense(cfg.horizon)
        self.future = keras.layers.Dense(cfg.hidden, activation="relu")

    def call(self, inputs, training=False):
        past, cal = inputs["past"], inputs["calendar"]
        h = tf.concat([past[..., None], cal[:, :self.cfg.context]], axis=-1)
        for cell in self.cells:
            h = cell(h, training=training)
        ahead = self.future(tf.reshape(cal[:, self.cfg.context:], [tf.shape(cal)[0], self.cfg.horizon * cal.shape[-1]]))
        state = self.norm(h[:, -1] + ahead)
        mean = tf.nn.softplus(self.mean_head(state)) * (inputs["level"] + 1.0) + MEAN_FLOOR
        disp = tf.nn.softplus(self.disp_head(state)) + self.cfg.min_dispersion
        return mean, disp


def negative_binomial_nll(y, mean, disp):
    """disp is alpha in Var = mu + alpha mu^2"""
    r = 1.0 / disp  # SAFE: min_dispersion is added to the softplus
    log_r_mu = tf.math.log(r + mean)  # SAFE: both summands are positive
    ll = (tf.math.lgamma(y + r)  # SAFE: y >= 0 and r > 0
          - tf.math.lgamma(r)  # SAFE: r > 0
          - tf.math.lgamma(y + 1.0)
          + r * (tf.math.log(r) - log_r_mu)  # SAFE: r is the reciprocal of a bounded softplus plus floor
          + y * (tf.math.log(mean) - log_r_mu))  # SAFE: MEAN_FLOOR in the head
    return -ll
