import argparse

import keras
import numpy as np
import tensorflow as tf

from dataset import char_error_rate, decode, make_dataset, read_manifest
from network import AcousticModel, confidence, ctc_objective, greedy


@tf.function(reduce_retracing=True)
def train_step(model, opt, feats, frames, labels, label_len):
    out_len = model.output_length(frames)
    with tf.GradientTape() as tape:
        logits = model(feats, training=True)
        loss = ctc_objective(logits, out_len, labels, label_len)
    grads = tape.gradient(loss, model.trainable_variables)
    grads, norm = tf.clip_by_global_norm(grads, 5.0)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return loss, norm


def validate(model, ds):
    cer, conf = [], []
    for feats, frames, labels, label_len in ds:
        logits = model(feats, training=False)
        n = model.output_length(frames)
        conf.extend(confidence(logits, n).numpy())
        for hyp, ref, k in zip(greedy(logits, n), labels.numpy(), label_len.numpy()):
            cer.append(char_error_rate(hyp, list(ref[:k])))
    print("sample:", decode(hyp), "|", decode(ref[:k]))
    return np.mean(cer), np.mean(conf)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="train.jsonl")
    ap.add_argument("--dev", default="dev.jsonl")
    ap.add_argument("--noise", default=None, help="npy file of background noise")
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--batch-size", type=int, default=16)
    ap.add_argument("--lr", type=float, default=3e-4)
    a = ap.parse_args()
    noise = tf.constant(np.load(a.noise).astype(np.float32)) if a.noise else None
    train = make_dataset(read_manifest(a.train), a.batch_size, True, noise)
    dev = make_dataset(read_manifest(a.dev), a.batch_size, False)
    model = AcousticModel()
    opt = keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(a.lr, 5000, 0.9))
    best = 1e9
    for epoch in range(a.epochs):
        for i, batch in enumerate(train):
            loss, norm = train_step(model, opt, *batch)
            if i % 50 == 0:
                print(f"{epoch}/{i} loss {float(loss):.3f} |g| {float(norm):.2f}")
        cer, conf = validate(model, dev)
        print(f"epoch {epoch} cer {cer:.4f} confidence {conf:.3f}")
        if cer < best:
            best = cer
            model.save_weights("best.weights.h5")


if __name__ == "__main__":
    main()
