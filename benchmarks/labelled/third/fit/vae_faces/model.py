import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class Sampling(layers.Layer):
    """z = mean + std * eps, with the log variance kept in a range."""

    def __init__(self, lo=-10.0, hi=10.0, **kw):
        super().__init__(**kw)
        self.lo, self.hi = lo, hi

    def call(self, inputs):
        mean, log_var = inputs
        log_var = tf.clip_by_value(log_var, self.lo, self.hi)
        eps = tf.random.normal(tf.shape(mean))
        return mean + tf.exp(0.5 * log_var) * eps  # SAFE: log_var is clipped to [-10, 10]


def build_encoder(cfg):
    x_in = keras.Input((cfg.image_size, cfg.image_size, 3))
    x = x_in
    for ch in cfg.channels:
        x = layers.Conv2D(ch, 4, strides=2, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)
    mean = layers.Dense(cfg.latent_dim, name="z_mean")(x)
    log_var = layers.Dense(cfg.latent_dim, name="z_log_var")(x)
    z = Sampling()([mean, log_var])
    return keras.Model(x_in, [mean, log_var, z], name="encoder")


def build_decoder(cfg):
    side = cfg.image_size // 2 ** len(cfg.channels)
    z = keras.Input((cfg.latent_dim,))
    x = layers.Dense(side * side * cfg.channels[-1], activation="relu")(z)
    x = layers.Reshape((side, side, cfg.channels[-1]))(x)
    for ch in reversed(cfg.channels):
        x = layers.Conv2DTranspose(ch, 4, strides=2, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.LeakyReLU(0.2)(x)
    out = layers.Conv2D(3, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(z, out, name="decoder")


class FaceVAE(keras.Model):
    def __init__(self, cfg, **kw):
        super().__init__(**kw)
        self.cfg = cfg
        self.encoder = build_encoder(cfg)
        self.decoder = build_decoder(cfg)
        self.step = tf.Variable(0.0, trainable=False, dtype=tf.float32)
        self.total_tracker = keras.metrics.Mean(name="loss")
        self.rec_tracker = keras.metrics.Mean(name="rec")
        self.kl_tracker = keras.metrics.Mean(name="kl")

    @property
    def metrics(self):
        return [self.total_tracker, self.rec_tracker, self.kl_tracker]

    def kl_weight(self):
        frac = self.step / float(max(self.cfg.kl_warmup_steps, 1))  # SAFE: divisor at least 1
        return self.cfg.beta * tf.minimum(frac, 1.0)

    def reconstruction_loss(self, x, x_hat):
        bce = keras.losses.binary_crossentropy(x, x_hat)  # BUG: loss-pairing, the loader gives pixels 0..255, so targets are not probabilities and the loss has no lower bound
        return tf.reduce_mean(tf.reduce_sum(bce, axis=(1, 2)))

    def kl_loss(self, mean, log_var):
        log_var = tf.clip_by_value(log_var, -10.0, 10.0)
        kl = -0.5 * (1.0 + log_var - tf.square(mean) - tf.exp(log_var))  # SAFE: exp of a value clipped to 10
        return tf.reduce_mean(tf.reduce_sum(kl, axis=1))

    def train_step(self, x):
        with tf.GradientTape() as tape:
            mean, log_var, z = self.encoder(x, training=True)
            x_hat = self.decoder(z, training=True)
            rec = self.reconstruction_loss(x, x_hat)
            kl = self.kl_loss(mean, log_var)
            loss = rec + self.kl_weight() * kl
        grads = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        self.step.assign_add(1.0)
        self.total_tracker.update_state(loss)
        self.rec_tracker.update_state(rec)
        self.kl_tracker.update_state(kl)
        return {m.name: m.result() for m in self.metrics}

    def call(self, x, training=False):
        return self.decoder(self.encoder(x, training=training)[2], training=training)
