import argparse
import glob
import os

import keras
import numpy as np
import tensorflow as tf

import settings as S
from criterion import SelfDistillation, koleo, probe_loss, teacher_entropy
from networks import linear_probe, pair
from views import make_views, whiten


def cosine(step, total, peak, floor=1e-5, warm=500):
    if step < warm:
        return peak * (step + 1) / warm  # SAFE: warm is 500
    f = min(1.0, (step - warm) / max(1, total - warm))  # SAFE: max with 1
    return floor + 0.5 * (peak - floor) * (1.0 + np.cos(np.pi * f))


class Pretrainer:
    def __init__(self, koleo_weight=0.1):
        self.student, self.teacher = pair()
        self.loss = SelfDistillation()
        self.koleo_weight = koleo_weight
        self.opt = keras.optimizers.SGD(S.BASE_LR * S.BATCH / 256.0, momentum=0.9, weight_decay=S.WEIGHT_DECAY, clipnorm=3.0)  # SAFE: linear scaling rule, 0.00625 for batches of 32

    def step(self, views):
        v = tf.unstack(views, axis=1)
        t = [self.teacher(x, training=False) for x in v[:2]]
        with tf.GradientTape() as tape:
            s = [self.student(x, training=True) for x in v]
            loss = self.loss(s, t) + self.koleo_weight * koleo(s[0])
        w = self.student.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(loss, w), w))
        for a, b in zip(self.teacher.weights, self.student.weights):
            a.assign(S.EMA * a + (1.0 - S.EMA) * b)
        return loss, teacher_entropy(self.loss.targets(t[0]))


def probe(teacher, x, y, epochs=20):
    body = keras.Model(teacher.input, teacher.layers[-2].output)
    f = body.predict(x, verbose=0)
    f = (f - f.mean(0)) / np.maximum(f.std(0), 1e-4)  # SAFE: floored at 1e-4
    head = linear_probe(f.shape[1])
    opt = keras.optimizers.Adam(1e-2)
    for _ in range(epochs):
        with tf.GradientTape() as tape:
            loss = probe_loss(y, head(f))
        w = head.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, w), w))
    return float(loss), float(np.mean(np.argmax(head(f), 1) == y))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--labelled", help="npz with x, y for the linear probe")
    a = ap.parse_args()
    imgs = [np.load(f) for f in glob.glob(os.path.join(a.folder, "*.npy"))]
    gen = lambda: (i[..., None] for i in imgs)
    ds = tf.data.Dataset.from_generator(gen, output_signature=tf.TensorSpec([None, None, 1], tf.uint8))
    ds = ds.shuffle(4096).map(make_views).batch(S.BATCH, drop_remainder=True).prefetch(2)
    tr = Pretrainer()
    fn = tf.function(tr.step)
    total = S.EPOCHS * max(1, len(imgs) // S.BATCH)
    step = 0
    for epoch in range(S.EPOCHS):
        for v in ds:
            tr.opt.learning_rate.assign(cosine(step, total, S.BASE_LR * S.BATCH / 256.0))
            loss, h = fn(v)
            step += 1
        print(epoch, "loss", float(loss), "teacher entropy", float(h))
    if a.labelled:
        with np.load(a.labelled) as z:
            x = tf.stack([whiten(tf.image.resize(i[..., None] / 255.0, [S.SIZE, S.SIZE])) for i in z["x"]])
            print("linear probe", probe(tr.teacher, x.numpy(), z["y"].astype(np.int32)))
    tr.teacher.save_weights("teacher.weights.h5")


if __name__ == "__main__":
    main()
