import tensorflow as tf
from tensorflow.keras import layers


class AcousticModel(tf.keras.Model):
    """2 conv + n BiGRU. Emits per frame token posteriors."""

    def __init__(self, n_tokens, units=256, depth=3):
        super().__init__()
        self.conv1 = layers.Conv2D(32, (11, 41), (2, 2), "same", activation="relu")
        self.bn1 = layers.BatchNormalization()
        self.conv2 = layers.Conv2D(32, (11, 21), (1, 2), "same", activation="relu")
        self.bn2 = layers.BatchNormalization()
        self.rnns = [layers.Bidirectional(layers.GRU(units, return_sequences=True)) for _ in range(depth)]
        self.classifier = layers.Dense(n_tokens, activation="softmax")

    def call(self, x, training=False):
        h = self.bn1(self.conv1(x[..., None]), training=training)
        h = self.bn2(self.conv2(h), training=training)
        s = tf.shape(h)
        h = tf.reshape(h, (s[0], s[1], h.shape[2] * h.shape[3]))
        for r in self.rnns:
            h = r(h, training=training)
        return self.classifier(h)

    @staticmethod
    def output_lengths(n_frames):
        return (n_frames + 1) // 2
