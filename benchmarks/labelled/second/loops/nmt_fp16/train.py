import argparse

import tensorflow as tf

from config import BOS, EOS, PAD, Hparams
from model import PrefixLM, token_loss


class Noam(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, d_model, warmup):
        self.d_model = float(d_model)
        self.warmup = float(warmup)

    def __call__(self, step):
        step = tf.cast(step, tf.float32) + 1.0
        return tf.math.rsqrt(self.d_model) * tf.minimum(
            tf.math.rsqrt(step), step * self.warmup ** -1.5)  # SAFE: step is at least 1 and warmup is 4000


def token_dataset(path, hp):
    ds = tf.data.TextLineDataset(path)

    def to_ids(line):
        ids = tf.strings.to_number(tf.strings.split(line), tf.int32)[: hp.max_len - 1]
        return tf.concat([[BOS], ids, [EOS]], 0)

    ds = ds.map(to_ids).filter(lambda t: tf.size(t) <= hp.max_len + 1)
    return ds.shuffle(10000).padded_batch(hp.batch, [None], padding_values=PAD).repeat()


class Trainer:
    def __init__(self, hp):
        tf.keras.mixed_precision.set_global_policy(hp.precision)
        self.hp = hp
        self.model = PrefixLM(hp)
        self.opt = tf.keras.optimizers.Adam(
            Noam(hp.d_model, hp.warmup), beta_2=0.98, epsilon=1e-9)  # SAFE: variables and slots stay float32 under mixed_float16

    @tf.function(reduce_retracing=True)
    def train_step(self, tokens):
        inputs, labels = tokens[:, :-1], tokens[:, 1:]
        with tf.GradientTape() as tape:
            logits = self.model(inputs, training=True)
            loss = token_loss(labels, logits, self.hp.label_smoothing)
        grads = tape.gradient(loss, self.model.trainable_variables)  # BUG: half, mean over thousands of tokens without loss scaling underflows in the float16 backward pass
        grads, norm = tf.clip_by_global_norm(grads, 1.0)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss, norm


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="data/train.ids")
    p.add_argument("--steps", type=int, default=Hparams.steps)
    p.add_argument("--ckpt", default="ckpt/nmt")
    args = p.parse_args()
    hp = Hparams(steps=args.steps)
    trainer = Trainer(hp)
    ckpt = tf.train.Checkpoint(model=trainer.model)
    writer = tf.summary.create_file_writer("logs")
    for step, tokens in enumerate(token_dataset(args.train, hp).take(hp.steps)):
        loss, norm = trainer.train_step(tokens)
        if step % 100 == 0:
            with writer.as_default(step=step):
                tf.summary.scalar("loss", loss)
                tf.summary.scalar("perplexity", tf.exp(tf.minimum(loss, 20.0)))  # SAFE: exponent capped at 20
                tf.summary.scalar("grad_norm", norm)
        if step % 5000 == 0:
            ckpt.save(args.ckpt)


if __name__ == "__main__":
    main()
