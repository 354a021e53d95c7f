import argparse
import json
import os

import numpy as np
import tensorflow as tf

import boxes as B
import settings as S
from criterion import DetectionLoss
from network import GridDetector


def read_annotations(path):
    with open(path) as f:
        for rec in json.load(f):
            yield rec["file"], np.array(rec["boxes"], np.float32).reshape(-1, 4), rec["labels"]


def build_dataset(root, split, shuffle=True):
    files, targets = [], []
    for name, bx, lab in read_annotations(os.path.join(root, split + ".json")):
        files.append(os.path.join(root, name))
        targets.append(B.encode(bx, lab))
    ds = tf.data.Dataset.from_tensor_slices((files, np.stack(targets)))

    def load(path, t):
        img = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        img = tf.image.resize(img, [S.IMAGE_SIZE, S.IMAGE_SIZE]) / 127.5 - 1.0
        return img, t

    if shuffle:
        ds = ds.shuffle(2048)
    return ds.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(S.BATCH_SIZE).prefetch(2)


def make_step(model, criterion, opt):
    @tf.function
    def step(images, target):
        with tf.GradientTape() as tape:
            pred = model(images, training=True)
            loss, parts = criterion(target, pred)
        grads = tape.gradient(loss, model.trainable_variables)
        grads, norm = tf.clip_by_global_norm(grads, S.CLIP_NORM)
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return loss, parts, norm
    return step


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="data/parking")
    ap.add_argument("--out", default="runs/yolo")
    args = ap.parse_args()

    train_ds = build_dataset(args.data, "train")
    steps = int(train_ds.cardinality())
    lr = tf.keras.optimizers.schedules.CosineDecay(S.BASE_LR, steps * S.EPOCHS, alpha=0.01)
    opt = tf.keras.optimizers.SGD(lr, momentum=S.MOMENTUM, nesterov=True)
    model = GridDetector()
    step = make_step(model, DetectionLoss(), opt)
    for epoch in range(S.EPOCHS):
        mean = tf.keras.metrics.Mean()
        for images, target in train_ds:
            loss, parts, norm = step(images, target)
            mean.update_state(loss)
        print(f"epoch {epoch} loss {mean.result():.4f} grad {norm:.2f} "
              + " ".join(f"{k}={v:.3f}" for k, v in parts.items()))
        model.save_weights(os.path.join(args.out, "last.weights.h5"))


if __name__ == "__main__":
    main()
