import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from heads import CosineLogits, get_head


def backbone(size, dim, weights=None):
    inp = keras.Input((size, size, 3))
    x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(inp)  # SAFE: input pixels 0..255 are scaled here
    for i, n in enumerate((32, 64, 128)):
        x = layers.Conv2D(n, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(0.4)(x)
    x = layers.Dense(dim, use_bias=False)(x)
    x = layers.BatchNormalization(scale=False)(x)
    return keras.Model(inp, x, name="backbone")


class Recognizer(keras.Model):
    def __init__(self, size, dim, n_classes, head):
        super().__init__()
        self.backbone = backbone(size, dim)
        self.cosine = CosineLogits(n_classes)
        self.head = get_head(head)
        self.tracker = keras.metrics.Mean(name="loss")
        self.acc = keras.metrics.SparseCategoricalAccuracy(name="acc")

    @property
    def metrics(self):
        return [self.tracker, self.acc]

    def call(self, x, training=False):
        return self.cosine(self.backbone(x, training=training))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            cos = self(x, training=True)
            logits = self.head(cos, y)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))  # SAFE: fused op, logits are bounded by the scale
        g = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(g, self.trainable_variables))
        self.tracker.update_state(loss)
        self.acc.update_state(y, cos)
        return {m.name: m.result() for m in self.metrics}
