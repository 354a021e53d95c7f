import os

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from audio import ClipSource, level, rms_db
from features import LogMel
from options import get_options

WORDS = ["yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"]


def ds_block(x, filters, stride=1):
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(filters, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x)


def attention_pool(x):
    """Softmax weighted mean over time."""
    score = layers.Dense(1)(x)
    w = layers.Softmax(axis=1)(score)
    return layers.Lambda(lambda t: tf.reduce_sum(t[0] * t[1], 1) / tf.reduce_sum(t[1], 1))([x, w])  # SAFE: softmax weights sum to one over the axis


def build(n_frames, n_mels, n_classes):
    inp = keras.Input((n_frames, n_mels, 2))
    x = layers.Conv2D(32, (10, 4), strides=2, padding="same")(inp)
    for f, s in ((32, 1), (64, 2), (64, 1)):
        x = ds_block(x, f, s)
    x = layers.Lambda(lambda t: tf.reduce_mean(t, axis=2))(x)
    x = attention_pool(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inp, layers.Dense(n_classes)(x))


def smoothed_xent(labels, logits, smoothing):
    n = logits.shape[-1]
    target = tf.one_hot(labels, n) * (1.0 - smoothing) + smoothing / n
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=target, logits=logits))  # SAFE: last Dense is linear, target rows sum to one


def entropy(logits):
    p = tf.nn.softmax(logits)
    return -tf.reduce_mean(tf.reduce_sum(p * tf.nn.log_softmax(logits), -1))  # SAFE: log_softmax, not log of a softmax


class Runner:
    def __init__(self, opt):
        self.opt = opt
        self.features = LogMel(opt)
        frames = self.features(tf.zeros([1, opt.sample_rate])).shape[1]
        self.model = build(frames, opt.n_mels, len(WORDS) + 1)
        sched = keras.optimizers.schedules.CosineDecay(opt.lr, opt.steps)
        self.optim = keras.optimizers.Adam(sched, clipnorm=1.0)

    def pipeline(self):
        src = ClipSource(self.opt, WORDS)
        sig = (tf.TensorSpec([self.opt.sample_rate], tf.float32), tf.TensorSpec([], tf.int32))
        ds = tf.data.Dataset.from_generator(src.examples, output_signature=sig)
        ds = ds.map(lambda w, y: (self.features(level(w)), y, rms_db(w)), num_parallel_calls=2)
        return ds.batch(self.opt.batch).prefetch(2)

    @tf.function
    def step(self, x, y):
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            loss = smoothed_xent(y, logits, self.opt.label_smoothing)
        g = tape.gradient(loss, self.model.trainable_variables)
        self.optim.apply_gradients(zip(g, self.model.trainable_variables))
        acc = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), y), tf.float32))
        return loss, acc, entropy(logits)

    def fit(self):
        for i, (x, y, db) in enumerate(self.pipeline().take(self.opt.steps)):
            loss, acc, ent = self.step(x, y)
            if i % 100 == 0:
                print(i, float(loss), float(acc), float(ent), "level", float(tf.reduce_mean(db)))
                os.makedirs(self.opt.ckpt, exist_ok=True)
                self.model.save_weights(os.path.join(self.opt.ckpt, "kws.weights.h5"))


if __name__ == "__main__":
    Runner(get_options()).fit()
