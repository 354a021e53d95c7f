import tensorflow as tf


class Adversary:
    """Non-saturating GAN losses with one-sided smoothing and lazy R1."""

    def __init__(self, s):
        self.s = s
        self.bce = tf.keras.losses.BinaryCrossentropy(from_logits=True)

    def d_loss(self, real_out, fake_out):
        real_y = self.s.smooth_real * tf.ones_like(real_out)
        real_y -= self.s.label_noise * tf.random.uniform(tf.shape(real_out))
        real = self.bce(real_y, real_out)  # BUG: loss-pairing, the discriminator returns averaged sigmoid patches and the loss expects logits
        fake = self.bce(tf.zeros_like(fake_out), fake_out)  # BUG: loss-pairing, sigmoid output used as logit, the loss of a fake cannot fall below log 2
        return real + fake

    def g_loss(self, fake_out):
        return self.bce(tf.ones_like(fake_out), fake_out)  # BUG: loss-pairing, sigmoid output used as logit

    def r1(self, disc, real):
        with tf.GradientTape() as tape:
            tape.watch(real)
            out = tf.reduce_sum(disc(real, training=True))
        g = tape.gradient(out, real)
        return 0.5 * self.s.r1_gamma * tf.reduce_mean(tf.reduce_sum(tf.square(g), [1, 2, 3]))  # SAFE: squared norm without a root, smooth at zero

    def accuracy(self, real_out, fake_out):
        hit = tf.reduce_sum(tf.cast(real_out > 0.5, tf.float32)) + tf.reduce_sum(tf.cast(fake_out <= 0.5, tf.float32))
        return hit / tf.cast(tf.size(real_out) + tf.size(fake_out), tf.float32)  # SAFE: batches are never empty (drop_remainder, fixed batch)
