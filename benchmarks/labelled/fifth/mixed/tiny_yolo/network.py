import tensorflow as tf
from tensorflow.keras import layers

import settings as S


class DarkBlock(layers.Layer):
    def __init__(self, filters, pool=True, **kw):
        super().__init__(**kw)
        self.conv = layers.Conv2D(filters, 3, padding="same", use_bias=False,
                                  kernel_initializer="he_normal")
        self.bn = layers.BatchNormalization(epsilon=1e-3)
        self.pool = layers.MaxPooling2D() if pool else None

    def call(self, x, training=None):
        x = tf.nn.leaky_relu(self.bn(self.conv(x), training=training), 0.1)
        return self.pool(x) if self.pool is not None else x


class GridDetector(tf.keras.Model):
    def __init__(self, **kw):
        super().__init__(**kw)
        self.blocks = [DarkBlock(f) for f in (16, 32, 64, 128)]
        self.neck = DarkBlock(128, pool=False)
        self.head = layers.Conv2D(5 + S.NUM_CLASSES, 1)

    def call(self, images, training=None):
        x = images
        for b in self.blocks:
            x = b(x, training=training)
        raw = self.head(self.neck(x, training=training))
        xy = tf.sigmoid(raw[..., 0:2])
        wh = tf.nn.relu(raw[..., 2:4])
        return tf.concat([xy, wh, raw[..., 4:]], axis=-1)
