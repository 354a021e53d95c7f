import argparse
import csv

import tensorflow as tf

from features import MELS, cmvn, log_mel, peak_normalize, read_wav, spec_augment
from network import Acoustic, ctc_objective, frame_entropy

ALPHABET = "abcdefghijklmnopqrstuvwxyz' "


def encode(text):
    return [ALPHABET.index(c) for c in text.lower() if c in ALPHABET]


def features(audio, training):
    feats = cmvn(log_mel(peak_normalize(audio)))
    return spec_augment(feats) if training else feats


def dataset(manifest, batch, training=True):
    with open(manifest) as f:
        rows = [(r["wav"], encode(r["text"])) for r in csv.DictReader(f)]
    labels = tf.ragged.constant([r[1] for r in rows], dtype=tf.int32)
    ds = tf.data.Dataset.from_tensor_slices(([r[0] for r in rows], labels))

    def load(path, lab):
        x = features(read_wav(path), training)
        x.set_shape([None, MELS])
        return x, tf.shape(x)[0], lab, tf.size(lab)

    ds = ds.shuffle(1000).map(load, num_parallel_calls=2)
    return ds.padded_batch(batch, ([None, MELS], [], [None], []))


class Trainer:
    def __init__(self, lr, entropy=0.01):
        self.model = Acoustic(len(ALPHABET))
        self.opt = tf.keras.optimizers.Adam(lr, global_clipnorm=5.0)
        self.entropy = entropy

    @tf.function(reduce_retracing=True)
    def step(self, x, x_len, y, y_len):
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            loss = ctc_objective(logits, (x_len + 1) // 2, y, y_len)
            total = loss - self.entropy * frame_entropy(logits)
        grads = tape.gradient(total, self.model.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--manifest", default="data/train.csv")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--lr", type=float, default=5e-4)
    args = p.parse_args()
    trainer = Trainer(args.lr)
    trainer.model(tf.zeros([1, 50, MELS]))
    for epoch in range(args.epochs):
        mean = tf.keras.metrics.Mean()
        for batch in dataset(args.manifest, args.batch):
            mean.update_state(trainer.step(*batch))
        print(epoch, float(mean.result()))
        trainer.model.save_weights("acoustic.weights.h5")


if __name__ == "__main__":
    main()
