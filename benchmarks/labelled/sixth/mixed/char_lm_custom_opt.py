"""Word level language model trained with a hand written Adam variant."""
import argparse
import math
import numpy as np
import tensorflow as tf
from tensorflow import keras


class AdaBelieveLite(keras.optimizers.Optimizer):
    """Adam moments with belief variance and optional update clipping (no momentum bias trick)."""

    def __init__(self, learning_rate=1e-3, beta_1=0.9, beta_2=0.99, eps=0.0, clip_update=1.0, name="belief", **kw):
        super().__init__(learning_rate=learning_rate, name=name, **kw)
        self.b1, self.b2, self.eps, self.clip_update = beta_1, beta_2, eps, clip_update

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.m = [self.add_variable_from_reference(v, name="m") for v in variables]
        self.s = [self.add_variable_from_reference(v, name="s") for v in variables]

    def update_step(self, grad, var, learning_rate):
        grad = tf.convert_to_tensor(grad)
        lr = tf.cast(learning_rate, var.dtype)
        k = self._get_variable_index(var)
        m, s = self.m[k], self.s[k]
        t = tf.cast(self.iterations + 1, var.dtype)
        m.assign(self.b1 * m + (1 - self.b1) * grad)
        s.assign(self.b2 * s + (1 - self.b2) * tf.square(grad - m))
        mh = m / (1 - tf.pow(self.b1, t))  # SAFE: t starts at 1 and b1 is 0.9
        sh = s / (1 - tf.pow(self.b2, t))  # SAFE: t starts at 1 and b2 is 0.99
        upd = mh / (tf.sqrt(sh) + self.eps)  # BUG: div-zero, eps is 0 by default and main() keeps it; embedding rows of words not in the batch have m = s = 0, 0/0
        rms = tf.sqrt(tf.reduce_mean(tf.square(upd)))
        upd = upd / tf.maximum(1.0, rms / self.clip_update)  # SAFE: denominator is at least 1
        var.assign_sub(lr * upd)


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup, total, floor=0.05):
        self.peak, self.warmup, self.total, self.floor = peak, max(warmup, 1), max(total, warmup + 2), floor

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        up = s / self.warmup  # SAFE: warmup is at least 1 by the constructor
        frac = (s - self.warmup) / (self.total - self.warmup)  # SAFE: total is at least warmup + 2 by the constructor
        cos = 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(frac, 0.0, 1.0)))
        return self.peak * tf.where(s < self.warmup, up, self.floor + (1 - self.floor) * cos)


class InverseSqrt(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, dim, warmup=4000):
        self.dim, self.warmup = float(dim), float(warmup)

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        return tf.math.rsqrt(self.dim) * tf.minimum(tf.math.rsqrt(s), s * self.warmup ** -1.5)  # SAFE: rsqrt(0) is inf at step 0 but the minimum takes the other branch, no gradient here


def batches(ids, batch, steps):
    n = (len(ids) - 1) // (batch * steps) * batch * steps
    x = ids[:n].reshape(batch, -1)
    y = ids[1:n + 1].reshape(batch, -1)
    for s in range(0, x.shape[1], steps):
        yield x[:, s:s + steps], y[:, s:s + steps]


def build(vocab, dim=96):
    inp = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(vocab, dim)(inp)
    x = keras.layers.LSTM(dim, return_sequences=True)(x)
    x = keras.layers.LayerNormalization()(x)  # SAFE: built-in epsilon
    return keras.Model(inp, keras.layers.Dense(vocab)(x))


def token_loss(y, logits):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))


def perplexity(mean_nll):
    return math.exp(min(mean_nll, 50.0))  # SAFE: exponent capped, report only


def train_epoch(model, opt, ids, batch, steps):
    tot, cnt = 0.0, 0
    for x, y in batches(ids, batch, steps):
        with tf.GradientTape() as tape:
            loss = token_loss(y, model(x, training=True))
        g = tape.gradient(loss, model.trainable_variables)
        g = [tf.convert_to_tensor(v) for v in g]
        opt.apply_gradients(zip(g, model.trainable_variables))
        tot, cnt = tot + float(loss), cnt + 1
    return tot / max(cnt, 1)  # SAFE: step count floored at one


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--corpus", default="ptb.train.txt")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--epochs", type=int, default=10)
    a = p.parse_args()
    words = open(a.corpus).read().replace("\n", " <eos> ").split()
    vocab = {w: k for k, w in enumerate(sorted(set(words)))}
    ids = np.array([vocab[w] for w in words], "int32")
    model = build(len(vocab))
    opt = AdaBelieveLite(WarmupCosine(a.lr, 500, 20000))
    for ep in range(a.epochs):
        nll = train_epoch(model, opt, ids, 20, 35)
        print(ep, nll, perplexity(nll))


if __name__ == "__main__":
    main()
