import argparse
import os
import time

import keras
import tensorflow as tf

from corpus import make_dataset
from encoder import MaskedLM
from settings import Settings


class WarmupLinear(keras.optimizers.schedules.LearningRateSchedule):

    def __init__(self, cfg):
        self.peak, self.warm, self.total = cfg.peak_lr, cfg.warmup_steps, cfg.total_steps

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        up = s / self.warm  # SAFE: Settings refuses warmup_steps < 1
        down = (self.total - s) / (self.total - self.warm)  # SAFE: Settings refuses total_steps <= warmup_steps
        return self.peak * tf.maximum(tf.minimum(up, down), 0.0)


def sequence_mlm_loss(targets, logits, weights):
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    per_seq = tf.reduce_sum(nll * weights, axis=-1) / tf.reduce_sum(weights, axis=-1)  # BUG: div-zero, a short query can have no masked token
    return tf.reduce_mean(per_seq)


def masked_accuracy(targets, logits, weights):
    hit = tf.cast(tf.equal(tf.argmax(logits, -1, output_type=tf.int32), targets), tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(hit * weights), tf.reduce_sum(weights))  # SAFE: divide_no_nan


def pseudo_perplexity(targets, logits, weights):
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    mean = tf.reduce_sum(nll * weights) / (tf.reduce_sum(weights) + 1e-5)  # SAFE: epsilon
    return tf.exp(tf.minimum(mean, 50.0))  # SAFE: the exponent is capped


class Pretrainer:

    def __init__(self, cfg, outdir):
        self.cfg = cfg
        keras.mixed_precision.set_global_policy(cfg.policy)
        self.model = MaskedLM(cfg)
        inner = keras.optimizers.AdamW(WarmupLinear(cfg), weight_decay=0.01, epsilon=1e-8)
        self.opt = keras.optimizers.LossScaleOptimizer(inner)
        self.outdir = outdir

    @tf.function
    def step(self, batch):
        with tf.GradientTape() as tape:
            logits = self.model(batch["inputs"], training=True)
            loss = sequence_mlm_loss(batch["targets"], logits, batch["weights"])
            scaled = self.opt.scale_loss(loss)
        grads = tape.gradient(scaled, self.model.trainable_variables)  # SAFE: the loss is scaled, LossScaleOptimizer divides again
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss, masked_accuracy(batch["targets"], logits, batch["weights"])

    def fit(self, ds, log_every=100):
        t0 = time.time()
        for i, batch in enumerate(ds.take(self.cfg.total_steps)):
            loss, acc = self.step(batch)
            if i % log_every == 0:
                rate = (i + 1) * self.cfg.batch_size / max(time.time() - t0, 1e-3)  # SAFE: floored
                print(f"step {i} loss {float(loss):.4f} acc {float(acc):.3f} {rate:.0f} seq/s", flush=True)
            if i and i % 10000 == 0:
                self.model.save_weights(os.path.join(self.outdir, f"mlm_{i}.weights.h5"))

    def evaluate(self, ds, n=50):
        ppl = keras.metrics.Mean()
        for batch in ds.take(n):
            logits = self.model(batch["inputs"])
            ppl.update_state(pseudo_perplexity(batch["targets"], logits, batch["weights"]))
        return float(ppl.result())


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="corpus/train-*.txt")
    ap.add_argument("--valid", default="corpus/valid-*.txt")
    ap.add_argument("--out", default="ckpt")
    ap.add_argument("--batch-size", type=int, default=256)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    cfg = Settings(batch_size=a.batch_size)
    trainer = Pretrainer(cfg, a.out)
    trainer.fit(make_dataset(a.train, cfg))
    print("ppl", trainer.evaluate(make_dataset(a.valid, cfg, training=False)))


if __name__ == "__main__":
    main()
