import tensorflow as tf
from tensorflow.keras import layers


def conv_block(x, filters, name):
    for i in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv{i}")(x)
        x = layers.BatchNormalization(name=f"{name}_bn{i}")(x)
        x = layers.Activation("relu")(x)
    return x


class GeM(layers.Layer):
    """Generalised mean pooling with a learned exponent, used in the SE gate."""

    def __init__(self, p=3.0, eps=1e-6, **kw):
        super().__init__(**kw)
        self.p0, self.eps = p, eps

    def build(self, shape):
        self.p = self.add_weight(name="p", shape=(), initializer=tf.keras.initializers.Constant(self.p0),
                                 constraint=lambda w: tf.clip_by_value(w, 1.0, 6.0))

    def call(self, x):
        x = tf.pow(tf.maximum(x, self.eps), self.p)  # SAFE: the base is at least eps
        m = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
        return tf.pow(m, 1.0 / self.p)  # SAFE: p is constrained to [1, 6] and the mean is at least eps**6 = 1e-36


def se_gate(x, ratio=8):
    c = x.shape[-1]
    g = GeM()(x)
    g = layers.Dense(max(c // ratio, 4), activation="relu")(g)
    g = layers.Dense(c, activation="sigmoid")(g)
    return layers.Multiply()([x, g])


def build_unet(image_size, base=16, depth=3):
    inp = layers.Input(shape=(*image_size, 3))
    x, skips = inp, []
    for d in range(depth):
        x = conv_block(x, base * 2 ** d, f"enc{d}")
        x = se_gate(x)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = conv_block(x, base * 2 ** depth, "mid")
    for d in reversed(range(depth)):
        x = layers.UpSampling2D()(x)
        x = layers.Concatenate()([x, skips[d]])
        x = conv_block(x, base * 2 ** d, f"dec{d}")
    out = layers.Conv2D(1, 1, activation="sigmoid", dtype="float32", name="mask")(x)
    return tf.keras.Model(inp, out, name="se_unet")
