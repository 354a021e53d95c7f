import argparse

import tensorflow as tf
from tensorflow import keras

import pipeline
from encoder import MaskedLM
from tokenizer import WordTokenizer


@keras.utils.register_keras_serializable("mlm")
class WarmupInverseSqrt(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup):
        self.peak, self.warmup = peak, max(int(warmup), 1)

    def __call__(self, step):
        s = tf.cast(step, tf.float32) + 1.0
        return self.peak * tf.minimum(s / self.warmup, tf.sqrt(self.warmup / s))  # SAFE: warmup at least 1 and s starts at 1

    def get_config(self):
        return {"peak": self.peak, "warmup": self.warmup}


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("corpus")
    p.add_argument("--vocab", type=int, default=20000)
    p.add_argument("--length", type=int, default=64)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--mask-rate", type=float, default=0.15)
    p.add_argument("--lr", type=float, default=5e-4)
    p.add_argument("--warmup", type=int, default=4000)
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--out", default="mlm.weights.h5")
    return p.parse_args()


def main():
    a = parse()
    with open(a.corpus, encoding="utf8") as f:
        lines = [l.strip() for l in f if l.strip()]
    tok = WordTokenizer.train(lines, a.vocab)
    cut = int(len(lines) * 0.98)
    train = pipeline.dataset(tok, lines[:cut], a.length, a.batch, a.mask_rate)
    valid = pipeline.dataset(tok, lines[cut:], a.length, a.batch, a.mask_rate, training=False)
    model = MaskedLM(len(tok.vocab), a.length)
    model.compile(optimizer=keras.optimizers.Adam(WarmupInverseSqrt(a.lr, a.warmup), beta_2=0.98, epsilon=1e-9))
    model.fit(train, validation_data=valid, epochs=a.epochs)
    model.save_weights(a.out)


if __name__ == "__main__":
    main()
