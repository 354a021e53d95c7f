import argparse
import csv
import os
import numpy as np
import tensorflow as tf
from features import peak_normalise, frames
from model import SpeechModel, ctc, greedy, ALPHABET


def read_manifest(path):
    root = os.path.dirname(path)
    with open(path) as f:
        return [(os.path.join(root, r["wav"]), r["text"].lower()) for r in csv.DictReader(f)]


def load(path, text):
    wav, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    wav = peak_normalise(tf.squeeze(wav, -1))
    lab = tf.constant([ALPHABET.index(c) for c in text if c in ALPHABET], tf.int32)
    return wav, lab


def batches(rows, size, seed=0):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows))
    for s in range(0, len(order) - size + 1, size):
        items = [it for it in (load(*rows[k]) for k in order[s:s + size]) if fits(*it)]
        if items:
            yield collate(items)


def fits(wav, lab):
    steps = (int(frames(len(wav))) + 1) // 2
    return steps >= 2 * len(lab) + 1


def collate(items):
    wl = np.array([len(w) for w, _ in items], "int32")
    ll = np.array([len(l) for _, l in items], "int32")
    wav = np.zeros((len(items), wl.max()), "float32")
    lab = np.zeros((len(items), ll.max()), "int32")
    for k, (w, l) in enumerate(items):
        wav[k, :len(w)] = w
        lab[k, :len(l)] = l
    return tf.constant(wav), tf.constant(wl), tf.constant(lab), tf.constant(ll)


def edit_distance(a, b):
    d = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        prev, d[0] = d[0], i
        for j, y in enumerate(b, 1):
            prev, d[j] = d[j], min(d[j] + 1, d[j - 1] + 1, prev + (x != y))
    return d[-1]


def cer(ref, hyp):
    return edit_distance(ref, hyp) / max(len(ref), 1)  # SAFE: reference length floored at one


def noam(step, dim=256, warmup=4000):
    step = max(step, 1)
    return dim ** -0.5 * min(step ** -0.5, step * warmup ** -1.5)  # SAFE: step is at least 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--manifest", default="train.csv")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--epochs", type=int, default=20)
    a = p.parse_args()
    rows = read_manifest(a.manifest)
    model, opt, step = SpeechModel(), tf.keras.optimizers.Adam(1e-4), 0
    for ep in range(a.epochs):
        for wav, wl, lab, ll in batches(rows, a.batch, ep):
            step += 1
            opt.learning_rate.assign(noam(step))
            with tf.GradientTape() as tape:
                loss = ctc(lab, ll, model(wav, training=True), wl)
            g, _ = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), 5.0)
            opt.apply_gradients(zip(g, model.trainable_variables))
            if step % 100 == 0:
                print(ep, step, float(loss))
        model.save_weights("ctc.weights.h5")


if __name__ == "__main__":
    main()
