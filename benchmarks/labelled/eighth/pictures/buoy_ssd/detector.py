import tensorflow as tf
from tensorflow.keras import layers


def _dw(x, ch, stride):
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2D(ch, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU(6.0)(x)


def build(image_size, n_classes, per_cell, prior=0.01):
    inp = tf.keras.Input((image_size, image_size, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inp)
    x = layers.Conv2D(24, 3, 2, padding="same")(x)
    x = _dw(x, 48, 2)
    c3 = _dw(x, 96, 2)
    c4 = _dw(c3, 160, 2)
    c5 = _dw(c4, 256, 2)
    bias = tf.keras.initializers.Constant(float(-tf.math.log((1 - prior) / prior)))  # SAFE: prior is the constant 0.01
    cls, loc = [], []
    for f in (c3, c4, c5):
        c = layers.Conv2D(per_cell * n_classes, 3, padding="same", bias_initializer=bias)(_dw(f, 96, 1))
        l = layers.Conv2D(per_cell * 4, 3, padding="same")(_dw(f, 96, 1))
        # anchor order is (scale*ratio, cell) so move the anchor axis to the front
        n = f.shape[1] * f.shape[2]
        c = layers.Permute((2, 1, 3))(layers.Reshape((n, per_cell, n_classes))(c))
        l = layers.Permute((2, 1, 3))(layers.Reshape((n, per_cell, 4))(l))
        cls.append(layers.Reshape((per_cell * n, n_classes))(c))
        loc.append(layers.Reshape((per_cell * n, 4))(l))
    return tf.keras.Model(inp, [layers.Concatenate(1)(cls), layers.Concatenate(1)(loc)])


def focal_sigmoid(labels, logits, alpha=0.25, gamma=2.0):
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)  # SAFE: raw logits, the head has no activation
    p = tf.sigmoid(logits)
    pt = labels * p + (1 - labels) * (1 - p)
    a = labels * alpha + (1 - labels) * (1 - alpha)
    return a * tf.pow(1 - pt, gamma) * ce  # SAFE: exponent 2 on a base in [0,1], derivative finite at 0


def detection_loss(cls_t, loc_t, w, cls_p, loc_p, n_classes):
    valid = tf.cast(cls_t >= 0, tf.float32)
    onehot = tf.one_hot(cls_t - 1, n_classes)
    fl = tf.reduce_sum(focal_sigmoid(onehot, cls_p), -1) * valid
    diff = tf.abs(loc_p - loc_t)
    huber = tf.where(diff < 1.0, 0.5 * diff * diff, diff - 0.5)
    reg = tf.reduce_sum(huber, -1) * w
    n_pos = tf.maximum(tf.reduce_sum(w), 1.0)
    return tf.reduce_sum(fl) / n_pos, tf.reduce_sum(reg) / n_pos  # SAFE: number of positives floored at 1
