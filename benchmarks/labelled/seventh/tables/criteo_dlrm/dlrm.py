import keras
import tensorflow as tf
from keras import layers

from schema import CAT_COLS


def mlp(units, last=None):
    seq = [layers.Dense(u, activation="relu", kernel_initializer="he_normal") for u in units]
    if last is not None:
        seq.append(layers.Dense(last))
    return keras.Sequential(seq)


class DLRM(keras.Model):

    def __init__(self, args):
        super().__init__()
        init = keras.initializers.RandomUniform(-args.dim ** -0.5, args.dim ** -0.5)  # SAFE: dim is 16
        self.tables = [layers.Embedding(args.buckets, args.dim, embeddings_initializer=init) for _ in CAT_COLS]
        self.bottom = mlp(args.bottom, args.dim)
        self.top = mlp(args.top, 1)
        self.squash = layers.LayerNormalization(epsilon=1e-5)

    def interact(self, vectors):
        v = tf.stack(vectors, 1)
        dots = tf.matmul(v, v, transpose_b=True) / tf.sqrt(tf.cast(v.shape[-1], tf.float32))  # SAFE: the embedding size is a positive constant
        n = len(vectors)
        lower = [i * n + j for i in range(n) for j in range(i)]
        return tf.gather(tf.reshape(dots, [-1, n * n]), lower, axis=1)

    def call(self, x, training=False):
        d = self.bottom(self.squash(tf.concat([x["dense"], x["missing"]], -1)))
        embs = [t(x["cats"][:, i]) for i, t in enumerate(self.tables)]
        z = tf.concat([d, self.interact([d] + embs)], -1)
        return self.top(z)[:, 0]
