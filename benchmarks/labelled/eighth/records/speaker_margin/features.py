import json
import os

import numpy as np
import tensorflow as tf

from hparams import hp


def log_mel(wav, rate=16000):
    """[samples] -> [frames, n_mels], mean-variance normalised over the utterance."""
    spec = tf.abs(tf.signal.stft(wav, 400, 160, 512)) ** 2
    bank = tf.signal.linear_to_mel_weight_matrix(hp.n_mels, 257, rate, 20.0, 7600.0)
    mel = tf.math.log(tf.matmul(spec, bank) + 1e-6)  # SAFE: energies are squares plus 1e-6 in float32
    mean, var = tf.nn.moments(mel, axes=[0], keepdims=True)
    return (mel - mean) / tf.sqrt(var + 1e-5)  # SAFE: variance plus 1e-5, input pipeline without gradients


def crop(mel):
    n = tf.shape(mel)[0]
    reps = hp.frames // tf.maximum(n, 1) + 1  # SAFE: at least one frame
    mel = tf.tile(mel, [reps, 1])
    start = tf.random.uniform([], 0, tf.shape(mel)[0] - hp.frames + 1, tf.int32)
    out = mel[start:start + hp.frames]
    return tf.ensure_shape(out, [hp.frames, hp.n_mels])


def manifest(path):
    files, speakers = [], []
    with open(path) as fh:
        for line in fh:
            spk, wav = line.rstrip("\n").split("\t")
            files.append(wav)
            speakers.append(spk)
    ids = {s: i for i, s in enumerate(sorted(set(speakers)))}
    with open(os.path.join(os.path.dirname(path) or ".", hp.label_file), "w") as fh:
        json.dump(ids, fh)
    return np.array(files), np.array([ids[s] for s in speakers], np.int32), ids


def dataset(files, labels):
    def load(f, y):
        wav, _ = tf.audio.decode_wav(tf.io.read_file(f), desired_channels=1)
        return crop(log_mel(tf.squeeze(wav, -1))), y

    ds = tf.data.Dataset.from_tensor_slices((files, labels)).shuffle(len(files))
    return ds.map(load, tf.data.AUTOTUNE).batch(hp.batch, drop_remainder=True).prefetch(4)
