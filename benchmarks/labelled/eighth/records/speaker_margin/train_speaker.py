"""python train_speaker.py train.tsv trials.tsv"""
import math
import sys
import time

import numpy as np
import tensorflow as tf
from tensorflow import keras

import features
from hparams import hp
from margin import SpeakerNet


def eer(scores, same):
    order = np.argsort(-scores)
    same = same[order].astype(bool)
    pos, neg = max(same.sum(), 1), max((~same).sum(), 1)
    miss = 1.0 - np.cumsum(same) / pos  # SAFE: at least one
    fa = np.cumsum(~same) / neg  # SAFE: at least one
    k = int(np.argmin(np.abs(miss - fa)))
    return float((miss[k] + fa[k]) / 2)


def verify(model, trials):
    cache = {}

    def vec(path):
        if path not in cache:
            wav, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
            v = model.embedding(features.log_mel(tf.squeeze(wav, -1))[None])[0].numpy()
            cache[path] = v / max(float(np.linalg.norm(v)), 1e-6)  # SAFE: floored, evaluation only
        return cache[path]

    scores, same = [], []
    with open(trials) as fh:
        for line in fh:
            s, a, b = line.split()
            scores.append(float(vec(a) @ vec(b)))
            same.append(int(s))
    return eer(np.array(scores), np.array(same))


def main(train_tsv, trials):
    files, labels, ids = features.manifest(train_tsv)
    ds = features.dataset(files, labels)
    per_epoch = max(len(files) // hp.batch, 1)
    model = SpeakerNet(len(ids))
    lr = keras.optimizers.schedules.CosineDecay(hp.base_lr, per_epoch * hp.epochs, hp.lr_floor / hp.base_lr)
    opt = keras.optimizers.SGD(lr, momentum=hp.momentum, nesterov=True, clipnorm=3.0)  # SAFE: SGD at 0.1 with batch norm and clipping
    ce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # SAFE: the head returns scaled cosines as logits
    print("%d speakers, %d files, chance loss %.2f" % (len(ids), len(files), math.log(len(ids))))  # SAFE: a manifest has speakers

    @tf.function
    def step(mel, y):
        with tf.GradientTape() as tape:
            logits = model(mel, labels=y, training=True)
            loss = ce(y, logits) + tf.add_n(model.losses)
        tv = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, tv), tv))
        return loss

    for epoch in range(hp.epochs):
        t0, tot = time.time(), 0.0
        for mel, y in ds:
            tot += float(step(mel, y))
        print("epoch %d loss %.4f eer %.4f (%.0fs)" % (epoch, tot / per_epoch, verify(model, trials), time.time() - t0))
        model.save_weights("speaker_%02d.weights.h5" % epoch)


if __name__ == "__main__":
    main(*sys.argv[1:3])
