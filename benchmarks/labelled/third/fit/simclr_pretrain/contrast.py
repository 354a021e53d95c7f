import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

LARGE = 1e9


def nt_xent(z1, z2, temperature):
    """Symmetric loss of SimCLR over 2n views."""
    z1 = tf.math.l2_normalize(z1, axis=1)  # SAFE: epsilon inside l2_normalize, relu features that are all zero stay finite
    z2 = tf.math.l2_normalize(z2, axis=1)  # SAFE: epsilon inside l2_normalize
    n = tf.shape(z1)[0]
    mask = tf.one_hot(tf.range(n), n)
    aa = tf.matmul(z1, z1, transpose_b=True) / temperature - mask * LARGE  # SAFE: temperature is checked by SimCLR.__init__, LARGE is finite in float32
    bb = tf.matmul(z2, z2, transpose_b=True) / temperature - mask * LARGE  # SAFE: temperature is checked by SimCLR.__init__
    ab = tf.matmul(z1, z2, transpose_b=True) / temperature  # SAFE: temperature is checked by SimCLR.__init__
    ba = tf.transpose(ab)
    labels = tf.range(n)
    la = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.concat([ab, aa], 1))  # SAFE: fused op, logits bounded by 1/temperature apart from the finite mask
    lb = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.concat([ba, bb], 1))
    acc = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(ab, 1, output_type=tf.int32), labels), tf.float32))
    return tf.reduce_mean(0.5 * (la + lb)), acc


class SimCLR(keras.Model):
    def __init__(self, encoder, dim=64, temperature=0.1):
        super().__init__()
        if not temperature > 0.0:
            raise ValueError("temperature")
        self.encoder = encoder
        self.projector = keras.Sequential([layers.Dense(dim, activation="relu"), layers.Dense(dim)])
        self.temperature = temperature
        self.tracker = keras.metrics.Mean(name="loss")
        self.acc = keras.metrics.Mean(name="top1")
        self.spread = keras.metrics.Mean(name="spread")

    @property
    def metrics(self):
        return [self.tracker, self.acc, self.spread]

    def call(self, x, training=False):
        return self.projector(self.encoder(x, training=training), training=training)

    def train_step(self, data):
        v1, v2 = data
        with tf.GradientTape() as tape:
            z = self(tf.concat([v1, v2], 0), training=True)
            z1, z2 = tf.split(z, 2)
            loss, acc = nt_xent(z1, z2, self.temperature)
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        self.tracker.update_state(loss)
        self.acc.update_state(acc)
        unit = z / (tf.norm(z, axis=1, keepdims=True) + 1e-6)  # SAFE: norm plus 1e-6, outside the tape, only a monitor
        self.spread.update_state(tf.reduce_mean(tf.math.reduce_std(unit, axis=0)))  # SAFE: outside the tape, no gradient through the root
        return {m.name: m.result() for m in self.metrics}
