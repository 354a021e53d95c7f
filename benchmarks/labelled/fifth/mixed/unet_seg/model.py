import tensorflow as tf
from tensorflow.keras import layers


def conv_block(x, filters):
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False,
                          kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return x


class ChannelGate(layers.Layer):
    """Squeeze and excitation with a temperature."""

    def __init__(self, ratio=4, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio

    def build(self, input_shape):
        c = int(input_shape[-1])
        self.down = layers.Dense(max(c // self.ratio, 1), activation="relu")
        self.up = layers.Dense(c)
        self.temp = self.add_weight(name="temp", shape=(), initializer="ones",
                                    constraint=lambda w: tf.clip_by_value(w, 0.1, 10.0))

    def call(self, x):
        s = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        s = self.up(self.down(s)) / self.temp  # SAFE: the constraint keeps the temperature between 0.1 and 10
        return x * tf.sigmoid(s)


def build_unet(cfg):
    inp = tf.keras.Input((cfg.image_size, cfg.image_size, cfg.channels))
    skips, x = [], inp
    for d in range(cfg.depth):
        x = conv_block(x, cfg.base_filters * 2 ** d)
        x = ChannelGate(name=f"gate_{d}")(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = conv_block(x, cfg.base_filters * 2 ** cfg.depth)
    for d in reversed(range(cfg.depth)):
        x = layers.Conv2DTranspose(cfg.base_filters * 2 ** d, 2, strides=2, padding="same")(x)
        x = layers.Concatenate()([x, skips[d]])
        x = conv_block(x, cfg.base_filters * 2 ** d)
    out = layers.Conv2D(1, 1, activation="sigmoid")(x)
    return tf.keras.Model(inp, out, name="unet")
