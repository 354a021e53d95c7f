import tensorflow as tf
from tensorflow.keras import layers

from geometry import knn


class EdgeConv(layers.Layer):
    def __init__(self, ch, k, **kw):
        super().__init__(**kw)
        self.k = k
        self.mlp = layers.Dense(ch, use_bias=False)
        self.bn = layers.BatchNormalization(momentum=0.9)

    def call(self, x, training=False):
        idx = knn(x, self.k)
        nb = tf.gather(x, idx, batch_dims=1)
        c = tf.repeat(x[:, :, None], self.k, 2)
        h = self.bn(self.mlp(tf.concat([c, nb - c], -1)), training=training)
        return tf.reduce_max(tf.nn.leaky_relu(h, 0.2), 2)


class PartNet(tf.keras.Model):
    def __init__(self, parts, keypoints, k=16):
        super().__init__()
        self.e = [EdgeConv(c, k) for c in (32, 64, 64)]
        self.glob = layers.Dense(256, activation="relu")
        self.head = [layers.Dense(128, activation="relu"), layers.Dropout(0.3), layers.Dense(parts)]
        self.kp = layers.Dense(keypoints)

    def call(self, x, training=False):
        feats, h = [], x
        for e in self.e:
            h = e(h, training=training)
            feats.append(h)
        f = tf.concat(feats, -1)
        g = tf.reduce_max(self.glob(f), 1, keepdims=True)
        h = tf.concat([f, tf.repeat(g, tf.shape(f)[1], 1)], -1)
        for l in self.head:
            h = l(h, training=training) if isinstance(l, layers.Dropout) else l(h)
        w = tf.nn.softmax(self.kp(f), axis=1)
        key = tf.einsum("bnk,bni->bki", w, x)
        return h, key
