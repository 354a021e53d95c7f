import json

import numpy as np
import tensorflow as tf

import audio

ALPHABET = "_ abcdefghijklmnopqrstuvwxyz'"
CHAR2ID = {c: i for i, c in enumerate(ALPHABET)}
BLANK = 0


def encode(text):
    return [CHAR2ID[c] for c in text.lower() if c in CHAR2ID and c != "_"]


def decode(ids):
    return "".join(ALPHABET[i] for i in ids if i > 0)


def read_manifest(path, max_seconds=16.0):
    rows = []
    with open(path) as fh:
        for line in fh:
            r = json.loads(line)
            label = encode(r["text"])
            frames = int((r["duration"] * audio.SAMPLE_RATE - audio.FRAME) // audio.HOP) + 1
            if label and len(label) <= frames and r["duration"] <= max_seconds:
                rows.append((r["audio"], label))
    return rows


def make_dataset(rows, batch_size, training, noise=None):
    paths = [p for p, _ in rows]
    labels = tf.ragged.constant([l for _, l in rows], dtype=tf.int32)
    ds = tf.data.Dataset.from_tensor_slices((paths, labels))
    if training:
        ds = ds.shuffle(len(rows))

    def load(path, label):
        wav = audio.peak_normalize(audio.read_wav(path))
        if training and noise is not None:
            start = tf.random.uniform([], 0, noise.shape[0] - tf.shape(wav)[0], tf.int32)
            wav = audio.snr_mix(wav, noise[start:start + tf.shape(wav)[0]], tf.random.uniform([], 5.0, 30.0))
        feat = audio.normalize_utterance(audio.log_mel(audio.preemphasis(wav)))
        if training:
            feat = audio.spec_augment(feat)
        return feat, tf.shape(feat)[0], label, tf.shape(label)[0]

    return ds.map(load, num_parallel_calls=2).padded_batch(
        batch_size, padded_shapes=([None, audio.N_MELS], [], [None], [])).prefetch(2)


def edit_distance(a, b):
    row = np.arange(len(b) + 1)
    for i, ca in enumerate(a, 1):
        prev, row[0] = row[0], i
        for j, cb in enumerate(b, 1):
            prev, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, prev + (ca != cb))
    return int(row[-1])


def char_error_rate(hyp, ref):
    return edit_distance(hyp, ref) / max(len(ref), 1)  # SAFE: max with one
