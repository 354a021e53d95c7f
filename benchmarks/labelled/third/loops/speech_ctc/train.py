"""python train.py --manifest train.tsv --valid dev.tsv"""
import argparse
import csv

import tensorflow as tf

from features import N_MEL, extract
from model import AcousticModel
from text import BLANK, N_TOKENS, cer, decode, encode


def read_manifest(path, max_chars=300):
    rows = []
    with open(path) as f:
        for r in csv.DictReader(f, delimiter="\t"):
            ids = encode(r["text"])
            if 0 < len(ids) <= max_chars:
                rows.append((r["path"], ids))
    return rows


def dataset(rows, batch, training):
    def gen():
        for p, ids in rows:
            yield p, ids

    ds = tf.data.Dataset.from_generator(gen, output_signature=(
        tf.TensorSpec((), tf.string), tf.TensorSpec((None,), tf.int32)))
    if training:
        ds = ds.shuffle(1000)

    def prep(p, ids):
        x = extract(p, training)
        return x, tf.shape(x)[0], ids, tf.shape(ids)[0]

    ds = ds.map(prep, tf.data.AUTOTUNE)
    ds = ds.filter(lambda x, n, ids, m: (n + 1) // 2 >= 2 * m + 1)
    return ds.padded_batch(batch, ((None, N_MEL), (), (None,), ()), drop_remainder=training)


def ctc_objective(outputs, out_len, labels, label_len):
    loss = tf.nn.ctc_loss(labels=labels, logits=outputs, label_length=label_len,
                          logit_length=out_len, logits_time_major=False, blank_index=BLANK)  # BUG: loss-pairing, the model ends in a softmax and ctc_loss wants logits
    per_char = loss / tf.cast(tf.maximum(label_len, 1), tf.float32)  # SAFE: the divisor is at least 1
    return tf.reduce_mean(per_char)


class Learner:
    def __init__(self, lr, clip):
        self.model = AcousticModel(N_TOKENS)
        self.opt = tf.keras.optimizers.Adam(lr)
        self.clip = clip

    @tf.function(reduce_retracing=True)
    def step(self, x, n, ids, m):
        with tf.GradientTape() as tape:
            y = self.model(x, training=True)
            loss = ctc_objective(y, self.model.output_lengths(n), ids, m)
        g = tape.gradient(loss, self.model.trainable_variables)
        g, gn = tf.clip_by_global_norm(g, self.clip)
        self.opt.apply_gradients(zip(g, self.model.trainable_variables))
        return loss, gn

    def evaluate(self, ds):
        hyps, refs = [], []
        for x, n, ids, m in ds:
            best = tf.argmax(self.model(x), -1).numpy()
            for row, k, t, tl in zip(best, self.model.output_lengths(n).numpy(), ids.numpy(), m.numpy()):
                hyps.append(decode(row[:k]))
                refs.append(decode_ref(t[:tl]))
        return cer(hyps, refs)


def decode_ref(ids):
    from text import VOCAB
    return "".join(VOCAB[i - 1] for i in ids)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--manifest", required=True)
    ap.add_argument("--valid", required=True)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--lr", type=float, default=3e-4)
    ap.add_argument("--clip", type=float, default=5.0)
    ap.add_argument("--epochs", type=int, default=30)
    a = ap.parse_args()
    train = dataset(read_manifest(a.manifest), a.batch, True)
    valid = dataset(read_manifest(a.valid), a.batch, False)
    learner = Learner(a.lr, a.clip)
    for ep in range(a.epochs):
        for i, (x, n, ids, m) in enumerate(train):
            loss, gn = learner.step(x, n, ids, m)
            if i % 50 == 0:
                print(ep, i, float(loss), float(gn))
        print("epoch", ep, "CER", learner.evaluate(valid))
        learner.model.save_weights("am.weights.h5")


if __name__ == "__main__":
    main()
