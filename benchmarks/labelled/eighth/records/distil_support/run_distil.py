"""python run_distil.py [settings.json] -- distil the routing teacher into a small student"""
import os
import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras

import setup_run
from student import Distillation, Student


def load(cfg):
    with np.load(cfg["tickets"]) as z:
        ids, queue, fold = z["ids"][:, :cfg["length"]].astype(np.int32), z["queue"].astype(np.int32), z["fold"]
    teacher = np.load(cfg["teacher_probs"]).astype(np.float32)
    teacher /= np.maximum(teacher.sum(1, keepdims=True), 1e-6)  # SAFE: floored
    train = fold != 0
    return (ids[train], queue[train], teacher[train]), (ids[~train], queue[~train], teacher[~train])


def teacher_report(queue, teacher, log):
    hit = (teacher.argmax(1) == queue).mean()
    p = np.clip(teacher.astype(np.float64), 1e-12, 1)
    ent = -(p * np.log(p)).sum(1).mean()  # SAFE: clipped in double precision
    log.info("teacher accuracy %.4f, entropy %.3f, effective queues %.1f", hit, ent, np.exp(ent))  # SAFE: entropy is at most the log of 180


def agreement(model, data, batch=1024):
    ids, queue, teacher = data
    top = np.concatenate([model(tf.constant(ids[i:i + batch])).numpy().argmax(1) for i in range(0, len(ids), batch)])
    return float((top == queue).mean()), float((top == teacher.argmax(1)).mean())


def main():
    cfg = setup_run.load(sys.argv[1] if len(sys.argv) > 1 else None)
    folder = os.environ.get("RUN_DIR", "distil_run")
    log = setup_run.logger(folder)
    keras.mixed_precision.set_global_policy(cfg["compute"])
    train, valid = load(cfg)
    teacher_report(valid[1], valid[2], log)
    ds = tf.data.Dataset.from_tensor_slices(train).shuffle(50_000).batch(cfg["batch"], drop_remainder=True).prefetch(2)
    model = Student(cfg)
    steps = cfg["epochs"] * max(len(train[0]) // cfg["batch"], 1)
    lr = keras.optimizers.schedules.CosineDecay(cfg["lr"], steps)
    opt = keras.mixed_precision.LossScaleOptimizer(keras.optimizers.Adam(lr))  # SAFE: gradients of float32 variables are unscaled first
    loss_fn = Distillation(cfg["temperature"], cfg["smooth"], cfg["hard_weight"])

    @tf.function
    def step(ids, queue, teacher):
        with tf.GradientTape() as tape:
            loss = loss_fn(queue, teacher, model(ids, training=True))
            scaled = opt.scale_loss(loss)
        tv = model.trainable_variables
        opt.apply_gradients(zip(tape.gradient(scaled, tv), tv))
        return loss

    for epoch in range(cfg["epochs"]):
        mean = keras.metrics.Mean(dtype="float32")
        for batch in ds:
            mean.update_state(step(*batch))
        acc, agree = agreement(model, valid)
        log.info("epoch %d loss %.4f accuracy %.4f agreement %.4f", epoch, float(mean.result()), acc, agree)
        model.save_weights(os.path.join(folder, "student_%02d.weights.h5" % epoch))


if __name__ == "__main__":
    main()
