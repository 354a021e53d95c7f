import argparse

import numpy as np
import tensorflow as tf
import yaml
from tensorflow.keras import layers

import criteria
import teacher


class Student(tf.keras.Model):
    def __init__(self, width, classes, feat_dim, **kw):
        super().__init__(**kw)
        self.body = tf.keras.Sequential([
            layers.Conv1D(width // 2, 9, strides=4, padding="same", activation="relu"),
            layers.Conv1D(width, 9, strides=4, padding="same", activation="relu"),
            layers.GlobalAveragePooling1D()])
        self.proj = layers.Dense(feat_dim)
        self.head = layers.Dense(classes)

    def call(self, x, training=None):
        h = self.body(x, training=training)
        return self.head(h), self.proj(h)


def normalise_audio(x):
    x = x - x.mean(axis=1, keepdims=True)
    peak = np.abs(x).max(axis=1, keepdims=True)
    return (x / np.where(peak < 1e-4, 1.0, peak))[..., None].astype("float32")  # SAFE: silent clips divide by 1


class EMA:
    def __init__(self, model, decay):
        self.decay, self.model = decay, model
        self.shadow = [tf.Variable(v, trainable=False) for v in model.trainable_variables]
        self.n = 0

    def update(self):
        self.n += 1
        for s, v in zip(self.shadow, self.model.trainable_variables):
            s.assign(self.decay * s + (1.0 - self.decay) * v)

    def debiased(self):
        c = 1.0 - self.decay ** max(self.n, 1)
        return [s / c for s in self.shadow]  # SAFE: the decay is 0.995 and the power at least 1, so c is at least 0.005


def make_step(model, opt, cfg):
    @tf.function
    def step(x, y, p, f):
        with tf.GradientTape() as tape:
            logits, feat = model(x, training=True)
            loss = (cfg["hard_weight"] * criteria.hard_target(y, logits)
                    + cfg["soft_weight"] * criteria.soft_target_kl(p, logits, cfg["temperature"])
                    + cfg["feature_weight"] * criteria.attention_transfer(f, feat))
        g = tape.gradient(loss, model.trainable_variables)
        g, _ = tf.clip_by_global_norm(g, 5.0)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return loss, criteria.js_monitor(p, tf.nn.softmax(logits))
    return step


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--config", default="settings.yaml")
    ap.add_argument("--audio", default="data/clips.npz")
    args = ap.parse_args()
    with open(args.config) as f:
        cfg = yaml.safe_load(f)
    with np.load(args.audio) as f:
        x, y = normalise_audio(f["x"]), f["y"].astype("int32")
    probs, feats = teacher.load(cfg["teacher_file"])
    print("teacher accuracy", teacher.agreement(probs, y))
    model = Student(cfg["student_width"], cfg["classes"], feats.shape[1])
    model(x[:1])
    opt = tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.PolynomialDecay(
        cfg["lr"], cfg["epochs"] * max(len(x) // cfg["batch"], 1), 1e-5))  # SAFE: maximum with 1
    step, ema = make_step(model, opt, cfg), EMA(model, cfg["ema"])
    ds = tf.data.Dataset.from_tensor_slices((x, y, probs, feats)).shuffle(5000).batch(cfg["batch"])
    for epoch in range(cfg["epochs"]):
        for batch in ds:
            loss, js = step(*batch)
            if not np.isfinite(float(loss)):
                raise FloatingPointError("loss is %s in epoch %d" % (float(loss), epoch))
            ema.update()
        print(f"epoch {epoch} loss {float(loss):.4f} js {float(js):.4f}")


if __name__ == "__main__":
    main()
