import argparse

import numpy as np
import tensorflow as tf
from tensorflow import keras

import options as opt
from tagger import Tagger, tag_loss


def read_conll(path):
    sents, cur = [], []
    with open(path, encoding="utf8") as f:
        for line in f:
            p = line.split()
            if p:
                cur.append((p[0].lower(), p[-1]))
            elif cur:
                sents.append(cur)
                cur = []
    return sents + ([cur] if cur else [])


def vectorise(sents):
    words, tags = {}, {}
    x = np.zeros((len(sents), opt.MAX_LEN), np.int32)
    y = np.zeros_like(x)
    for i, s in enumerate(sents):
        for j, (w, t) in enumerate(s[:opt.MAX_LEN]):
            x[i, j] = 1 + words.setdefault(w, len(words)) % (opt.VOCAB - 1)
            y[i, j] = tags.setdefault(t, len(tags)) % opt.TAGS
    return x, y


class InverseSqrt(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        s = tf.cast(step, tf.float32) + 1.0
        return opt.LR * tf.minimum(s / opt.WARMUP, tf.math.rsqrt(s / opt.WARMUP))  # SAFE: the step counts from 1

    def get_config(self):
        return {}


def make_step(model, optimizer):
    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tag_loss(y, model(x, training=True), x > 0)
            scaled = optimizer.scale_loss(loss)
        grads = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables))  # SAFE: LossScaleOptimizer unscales the gradients
        return loss
    return step


def accuracy(model, x, y):
    p = model.predict(x, verbose=0).argmax(-1)
    keep = x > 0
    return float((p == y)[keep].sum() / max(keep.sum(), 1))  # SAFE: floored at 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="conll/train.txt")
    ap.add_argument("--steps", type=int, default=opt.STEPS)
    a = ap.parse_args()
    keras.mixed_precision.set_global_policy(opt.PRECISION)
    x, y = vectorise(read_conll(a.train))
    model = Tagger()
    optimizer = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(InverseSqrt(), clipnorm=1.0))
    step = make_step(model, optimizer)
    ds = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(20000).repeat().batch(opt.BATCH).take(a.steps)
    for i, (xb, yb) in enumerate(ds):
        loss = step(xb, yb)
        if i % 200 == 0:
            print(i, float(loss), accuracy(model, x[:500], y[:500]))
    model.save_weights("tagger.weights.h5")


if __name__ == "__main__":
    main()
