import tensorflow as tf
from tensorflow.keras import layers

from layers_sn import CondBatchNorm, SelfAttention, SNConv


class Generator(tf.keras.Model):
    def __init__(self, classes, width=32):
        super().__init__()
        self.fc = layers.Dense(4 * 4 * width * 4)
        self.shape4 = layers.Reshape((4, 4, width * 4))
        self.norms = [CondBatchNorm(classes) for _ in range(3)]
        self.convs = [layers.Conv2D(width * m, 3, padding="same") for m in (4, 2, 1)]
        self.att = SelfAttention()
        self.out = layers.Conv2D(3, 3, padding="same", activation="tanh")

    def call(self, z, y, training=False):
        z = z / tf.sqrt(tf.reduce_mean(tf.square(z), -1, keepdims=True) + 1e-8)  # SAFE: epsilon inside the sqrt
        x = self.shape4(self.fc(z))
        for i, (n, c) in enumerate(zip(self.norms, self.convs)):
            x = tf.nn.relu(n(x, y=y, training=training))
            x = c(tf.repeat(tf.repeat(x, 2, 1), 2, 2))
            if i == 1:
                x = self.att(x, training=training)
        return self.out(tf.nn.relu(x))


class Discriminator(tf.keras.Model):
    """Projection discriminator; returns an unbounded score."""

    def __init__(self, classes, width=32):
        super().__init__()
        self.convs = [SNConv(width * m, 4, 2) for m in (1, 2, 4)]
        self.att = SelfAttention()
        self.lin = layers.Dense(1)
        self.emb = layers.Embedding(classes, width * 4)

    def call(self, x, y, training=False):
        for i, c in enumerate(self.convs):
            x = tf.nn.leaky_relu(c(x, training=training), 0.1)
            if i == 1:
                x = self.att(x, training=training)
        h = tf.reduce_mean(x, [1, 2])
        return self.lin(h)[:, 0] + tf.reduce_sum(h * self.emb(y), -1)


def hinge_d(real, fake):
    return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))


def logistic_d(real, fake):
    return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))  # SAFE: softplus is -log sigmoid in stable form


def logistic_g(fake):
    return tf.reduce_mean(tf.nn.softplus(-fake))  # SAFE: same


def gradient_penalty(disc, real, fake, y, weight=1.0):
    a = tf.random.uniform([tf.shape(real)[0], 1, 1, 1])
    x = a * real + (1.0 - a) * fake
    with tf.GradientTape() as tape:
        tape.watch(x)
        s = disc(x, y, training=True)
    g = tape.gradient(s, x)
    n = tf.sqrt(tf.reduce_sum(tf.square(g), [1, 2, 3]) + 1e-8)  # SAFE: epsilon inside the sqrt, a zero gradient has a finite slope
    return weight * tf.reduce_mean(tf.square(n - 1.0))


def diversity(fake, z, eps=1e-5):
    """Mode-seeking term between two halves of the batch."""
    f1, f2 = tf.split(fake, 2)
    z1, z2 = tf.split(z, 2)
    r = tf.reduce_mean(tf.abs(f1 - f2)) / (tf.reduce_mean(tf.abs(z1 - z2)) + eps)  # SAFE: mean of absolute values plus 1e-5
    return 1.0 / (r + eps)  # SAFE: r >= 0, so the value is at most 1e5
