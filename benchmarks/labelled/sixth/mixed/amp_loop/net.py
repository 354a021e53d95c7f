import tensorflow as tf
from tensorflow.keras import layers


def sep(x, f, d=1):
    x = layers.SeparableConv2D(f, 3, padding="same", dilation_rate=d, use_bias=False)(x)
    x = layers.BatchNormalization(epsilon=1e-3)(x)  # SAFE: batch norm computes in float32 inside and 1e-3 fits float16 too
    return layers.ReLU(6.0)(x)


def context_attention(x, dim=32):
    n = x.shape[1] * x.shape[2]
    q = layers.Reshape((n, dim))(layers.Conv2D(dim, 1)(x))
    k = layers.Reshape((n, dim))(layers.Conv2D(dim, 1)(x))
    v = layers.Reshape((n, dim))(layers.Conv2D(dim, 1)(x))
    a = layers.Attention(use_scale=True)([q, v, k])
    return layers.Reshape((x.shape[1], x.shape[2], dim))(a)


def build(size, classes, base=24):
    inp = layers.Input((size, size, 3))
    a = sep(inp, base)
    b = sep(layers.MaxPooling2D()(a), base * 2)
    c = sep(layers.MaxPooling2D()(b), base * 2, d=2)
    c = layers.Concatenate()([c, context_attention(layers.LayerNormalization()(c))])
    u = sep(layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(c), b]), base)
    u = sep(layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(u), a]), base)
    logits = layers.Conv2D(classes, 1)(u)
    return tf.keras.Model(inp, layers.Softmax()(logits))
