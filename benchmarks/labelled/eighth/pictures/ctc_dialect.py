"""Character CTC recogniser for a dialect corpus.  TF1 graph code run through compat.v1."""
import argparse
import io
import json
import os
import wave

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
tf1.disable_eager_execution()

ALPHABET = " abcdefghijklmnopqrstuvwxyzäöüß'"
BLANK = len(ALPHABET)
FRAME, HOP = 400, 160


def read_wav(path):
    with wave.open(path, "rb") as w:
        pcm = np.frombuffer(w.readframes(w.getnframes()), dtype=np.int16)
    return pcm.astype(np.float32) / 32768.0


def mel_bank(n_mels=64, n_fft=512, sr=16000):
    hz = lambda m: 700.0 * (10.0 ** (m / 2595.0) - 1.0)
    mel = lambda f: 2595.0 * np.log10(1.0 + f / 700.0)  # SAFE: frequencies are non-negative, argument at least 1
    pts = hz(np.linspace(mel(50.0), mel(7800.0), n_mels + 2))
    bins = np.arange(n_fft // 2 + 1) * sr / n_fft
    fb = np.zeros((n_mels, len(bins)), np.float32)
    for i in range(n_mels):
        l, c, r = pts[i:i + 3]
        up, down = (bins - l) / (c - l), (r - bins) / (r - c)  # SAFE: mel points are strictly increasing
        fb[i] = np.maximum(0, np.minimum(up, down))
    return fb


FB = mel_bank()


def features(pcm):
    n = 1 + max(0, (len(pcm) - FRAME)) // HOP
    idx = np.arange(FRAME)[None] + HOP * np.arange(n)[:, None]
    fr = np.pad(pcm, (0, FRAME))[idx] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(fr, 512)) ** 2
    lm = np.log(power @ FB.T + 1e-7)  # SAFE: energies are non-negative and offset in float64
    mu, sd = lm.mean(0), lm.std(0)
    return ((lm - mu) / (sd + 1e-3)).astype(np.float32)  # SAFE: deviation offset for silent recordings


def encode(text):
    return [ALPHABET.index(c) for c in text.lower() if c in ALPHABET]


def load_manifest(path, max_frames=1600):
    out = []
    with io.open(path, encoding="utf-8") as fh:
        for line in fh:
            row = json.loads(line)
            y = encode(row["text"])
            x = features(read_wav(row["audio"]))
            need = len(y) + sum(a == b for a, b in zip(y, y[1:]))
            if not y or len(x) // 4 <= need or len(x) > max_frames:
                continue
            out.append((x, np.array(y, np.int32)))
    return out


def batches(items, size, rng):
    order = sorted(range(len(items)), key=lambda i: len(items[i][0]))
    chunks = [order[i:i + size] for i in range(0, len(order), size)]
    rng.shuffle(chunks)
    for ch in chunks:
        xs = [items[i][0] for i in ch]
        ys = [items[i][1] for i in ch]
        T = max(map(len, xs))
        X = np.zeros((len(ch), T + (-T) % 4, 64), np.float32)
        for k, x in enumerate(xs):
            X[k, :len(x)] = x
        idx = np.array([(k, j) for k, y in enumerate(ys) for j in range(len(y))], np.int64)
        sparse = (idx, np.concatenate(ys), np.array([len(ch), max(map(len, ys))], np.int64))
        yield X, np.array([len(x) // 4 for x in xs], np.int32), sparse


def layer_norm(x, name):
    with tf1.variable_scope(name):
        d = x.shape[-1]
        g = tf1.get_variable("g", [d], initializer=tf1.ones_initializer())
        b = tf1.get_variable("b", [d], initializer=tf1.zeros_initializer())
        mean, var = tf.nn.moments(x, [-1], keepdims=True)
        return g * (x - mean) * tf.math.rsqrt(var + 1e-3) + b  # SAFE: variance offset, float32 graph


def conv(x, k, cout, stride, name, dilation=1):
    cin = int(x.shape[-1])
    w = tf1.get_variable(name, [k, cin, cout], initializer=tf1.variance_scaling_initializer(2.0))
    return tf.nn.conv1d(x, w, stride, "SAME", dilations=dilation)


def build(width, lr, clip):
    g = dict(
        x=tf1.placeholder(tf.float32, [None, None, 64]),
        n=tf1.placeholder(tf.int32, [None]),
        y=tf1.sparse_placeholder(tf.int32),
        keep=tf1.placeholder_with_default(1.0, []),
        lr=tf1.placeholder_with_default(lr, []),
    )
    h = tf.nn.relu(layer_norm(conv(g["x"], 11, width, 2, "s1"), "n1"))
    h = tf.nn.relu(layer_norm(conv(h, 11, width, 2, "s2"), "n2"))
    for i in range(8):
        r = conv(h, 9, 2 * width, 1, "b%d" % i, dilation=2 ** (i % 3))
        a, b = tf.split(r, 2, -1)
        r = layer_norm(a * tf.sigmoid(b), "ln%d" % i)
        h = h + tf.nn.dropout(r, rate=1.0 - g["keep"])  # SAFE: keep is 0.85 or 1.0, rate below 1
    logits = tf.transpose(conv(h, 1, BLANK + 1, 1, "out"), [1, 0, 2])
    loss = tf1.nn.ctc_loss(g["y"], logits, g["n"], ctc_merge_repeated=True)  # SAFE: time-major raw logits and too short clips are dropped in load_manifest
    lens = tf.cast(tf1.sparse_reduce_sum(tf.SparseTensor(g["y"].indices, tf.ones_like(g["y"].values), g["y"].dense_shape), 1), tf.float32)
    g["loss"] = tf.reduce_mean(loss / tf.maximum(lens, 1.0))  # SAFE: transcript lengths floored at one
    tv = tf1.trainable_variables()
    grads, g["gnorm"] = tf.clip_by_global_norm(tf.gradients(g["loss"], tv), clip)  # SAFE: clip_by_global_norm is defined for zero gradients
    g["step"] = tf1.train.get_or_create_global_step()
    g["op"] = tf1.train.AdamOptimizer(g["lr"], beta2=0.98, epsilon=1e-9).apply_gradients(zip(grads, tv), g["step"])  # SAFE: 1e-9 is a normal float32 number
    dec, _ = tf1.nn.ctc_greedy_decoder(logits, g["n"])
    g["per"] = tf.reduce_mean(tf.edit_distance(tf.cast(dec[0], tf.int32), g["y"]))  # SAFE: empty transcripts are filtered, normalisation by length is defined
    return g


def noam(step, width, warm=4000):
    step = max(step, 1)
    return width ** -0.5 * min(step ** -0.5, step * warm ** -1.5)  # SAFE: step starts at one


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", required=True)
    ap.add_argument("--dev", required=True)
    ap.add_argument("--width", type=int, default=192)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--epochs", type=int, default=50)
    ap.add_argument("--clip", type=float, default=5.0)
    ap.add_argument("--dir", default="ctc_model")
    a = ap.parse_args()
    train, dev = load_manifest(a.train), load_manifest(a.dev)
    g = build(a.width, 1e-3, a.clip)
    rng = np.random.RandomState(11)
    saver = tf1.train.Saver()
    with tf1.Session() as s:
        s.run(tf1.global_variables_initializer())
        step = 0
        for ep in range(a.epochs):
            tot = []
            for X, n, y in batches(train, a.batch, rng):
                _, l, step = s.run([g["op"], g["loss"], g["step"]],
                                   {g["x"]: X, g["n"]: n, g["y"]: y, g["keep"]: 0.85, g["lr"]: noam(int(step), a.width)})
                tot.append(l)
            per = [s.run(g["per"], {g["x"]: X, g["n"]: n, g["y"]: y}) for X, n, y in batches(dev, a.batch, rng)]
            print("epoch %d ctc/char %.4f dev CER %.4f" % (ep, np.mean(tot), np.mean(per)))
            saver.save(s, os.path.join(a.dir, "m"), global_step=ep)


if __name__ == "__main__":
    main()
