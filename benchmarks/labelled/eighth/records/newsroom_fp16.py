"""Hierarchical attention classifier for news desks, float16 on the T4s.

An article is [sentences, words]; short articles are padded with empty sentences.
"""
import argparse
import glob
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers, mixed_precision

DESKS = 14


def parse(example, n_sent, n_word):
    spec = {"words": tf.io.VarLenFeature(tf.int64),
            "lengths": tf.io.VarLenFeature(tf.int64),
            "desk": tf.io.FixedLenFeature([], tf.int64)}
    rec = tf.io.parse_single_example(example, spec)
    rag = tf.RaggedTensor.from_row_lengths(rec["words"].values, rec["lengths"].values)
    ids = rag.to_tensor(shape=[None, n_word])[:n_sent]
    ids = tf.pad(ids, [[0, n_sent - tf.shape(ids)[0]], [0, 0]])
    return tf.cast(tf.ensure_shape(ids, [n_sent, n_word]), tf.int32), tf.cast(rec["desk"], tf.int32)


def pipeline(pattern, args, training):
    files = tf.data.Dataset.from_tensor_slices(sorted(glob.glob(pattern)))
    ds = files.interleave(tf.data.TFRecordDataset, cycle_length=4)
    if training:
        ds = ds.shuffle(20_000).repeat()
    ds = ds.map(lambda e: parse(e, args.sentences, args.words), num_parallel_calls=tf.data.AUTOTUNE)
    return ds.batch(args.batch, drop_remainder=training).prefetch(tf.data.AUTOTUNE)


class AttentionPool(layers.Layer):
    def __init__(self, units, **kw):
        super().__init__(**kw)
        self.proj = layers.Dense(units, activation="tanh")
        self.query = layers.Dense(1, use_bias=False)

    def call(self, h, mask):
        score = tf.squeeze(self.query(self.proj(h)), -1)
        blocked = (1.0 - tf.cast(mask, score.dtype)) * -1e9
        weight = tf.nn.softmax(score + blocked, axis=-1)  # BUG: half, -1e9 is -inf in float16 and 0 * -inf is NaN for every kept word
        return tf.reduce_sum(weight[..., None] * h, axis=-2)


class HierarchicalNet(keras.Model):
    def __init__(self, vocab, args):
        super().__init__()
        self.args = args
        self.emb = layers.Embedding(vocab, args.dim)
        self.word_rnn = layers.Bidirectional(layers.GRU(args.units, return_sequences=True))
        self.word_pool = AttentionPool(args.units)
        self.sent_rnn = layers.Bidirectional(layers.GRU(args.units, return_sequences=True))
        self.sent_pool = AttentionPool(args.units)
        self.norm = layers.LayerNormalization(epsilon=1e-3)  # SAFE: 1e-3 survives half precision
        self.logits = layers.Dense(DESKS, dtype="float32")

    def call(self, ids, training=False):
        s, w = self.args.sentences, self.args.words
        flat = tf.reshape(ids, [-1, w])
        h = self.word_rnn(self.emb(flat), training=training)
        sent = self.word_pool(h, flat > 0)
        sent = tf.reshape(sent, [-1, s, 2 * self.args.units])
        doc = self.sent_pool(self.sent_rnn(sent, training=training), tf.reduce_any(ids > 0, axis=-1))
        return self.logits(self.norm(doc))


class WarmupSqrt(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup):
        self.peak, self.warmup = peak, warmup

    def __call__(self, step):
        step = tf.cast(step, tf.float32) + 1.0
        return self.peak * tf.minimum(step / self.warmup, tf.math.rsqrt(step / self.warmup))  # SAFE: step starts from one, warmup is 1000

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}


def entropy_of(prob):
    p = np.clip(prob.astype(np.float64), 1e-12, 1.0)
    return float(-(p * np.log(p)).sum(-1).mean())  # SAFE: clipped in double precision


def confusion(model, ds):
    table = np.zeros((DESKS, DESKS), np.int64)
    uncertain = []
    for ids, desk in ds:
        logits = model(ids, training=False)
        prob = tf.nn.softmax(logits).numpy()  # SAFE: the logits layer is float32
        uncertain.append(entropy_of(prob))
        np.add.at(table, (desk.numpy(), prob.argmax(-1)), 1)
    return table, float(np.mean(uncertain)) if uncertain else float("nan")  # SAFE: empty list handled


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="/data/newsroom")
    ap.add_argument("--vocab", type=int, default=60_000)
    ap.add_argument("--sentences", type=int, default=24)
    ap.add_argument("--words", type=int, default=40)
    ap.add_argument("--dim", type=int, default=128)
    ap.add_argument("--units", type=int, default=64)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--steps", type=int, default=20_000)
    ap.add_argument("--out", default="newsroom")
    args = ap.parse_args()
    mixed_precision.set_global_policy("mixed_float16")

    train = pipeline(os.path.join(args.data, "train-*.tfrecord"), args, True)
    valid = pipeline(os.path.join(args.data, "valid-*.tfrecord"), args, False)
    model = HierarchicalNet(args.vocab, args)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # SAFE: the last layer returns logits in float32
    inner = keras.optimizers.Adam(WarmupSqrt(1e-3, 1000), epsilon=1e-6)  # SAFE: the moments are float32 variables
    optimizer = mixed_precision.LossScaleOptimizer(inner)

    @tf.function
    def step(ids, desk):
        with tf.GradientTape() as tape:
            loss = loss_fn(desk, model(ids, training=True))
            scaled = optimizer.scale_loss(loss)  # SAFE: the optimizer unscales and skips overflowed steps
        tv = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(scaled, tv), tv))
        return loss

    running = keras.metrics.Mean()
    for i, (ids, desk) in enumerate(train.take(args.steps)):
        running.update_state(step(ids, desk))
        if (i + 1) % 500 == 0:
            print(f"{i + 1:6d} loss {float(running.result()):.4f}")
            running.reset_state()
        if (i + 1) % 4000 == 0:
            table, unc = confusion(model, valid)
            acc = np.trace(table) / max(table.sum(), 1)  # SAFE: max with one
            recall = np.diag(table) / np.maximum(table.sum(1), 1)  # SAFE: floored
            print(f"valid accuracy {acc:.4f} macro recall {recall.mean():.4f} entropy {unc:.3f}")
            model.save_weights(f"{args.out}.{i + 1}.weights.h5")


if __name__ == "__main__":
    main()
