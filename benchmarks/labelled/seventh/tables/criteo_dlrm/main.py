import os

import keras
import tensorflow as tf

from dlrm import DLRM
from objective import bce, calibration_penalty, confidence_histogram_loss, normalized_entropy
from pipeline import make_dataset
from schema import parse_args


def make_optimizer(args):
    if args.optimizer == "adagrad":
        return keras.optimizers.Adagrad(args.lr, initial_accumulator_value=0.1, epsilon=1e-7)  # SAFE: the accumulator starts at 0.1
    return keras.optimizers.Adam(args.lr, epsilon=1e-8)  # SAFE: the epsilon is outside of the root, the usual float32 setting


def build_step(model, opt, args):
    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            logit = model(x, training=True)
            loss = bce(y, logit) + args.calibration_weight * calibration_penalty(y, logit)
            loss += args.hist_weight * confidence_histogram_loss(y, logit)
        grads = [tf.convert_to_tensor(g) for g in tape.gradient(loss, model.trainable_variables)]
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return loss, normalized_entropy(y, logit)
    return step


def evaluate(model, ds):
    auc, nll = keras.metrics.AUC(num_thresholds=1000), keras.metrics.Mean()
    for x, y in ds:
        logit = model(x)
        auc.update_state(y, tf.sigmoid(logit))
        nll.update_state(bce(y, logit))
    return float(auc.result()), float(nll.result())


def main():
    args = parse_args()
    os.makedirs(args.out, exist_ok=True)
    train = make_dataset(args.train, args.batch, args.buckets, True)
    valid = make_dataset(args.valid, args.batch, args.buckets, False)
    model, opt = DLRM(args), make_optimizer(args)
    step = build_step(model, opt, args)
    i = 0
    for epoch in range(args.epochs):
        for x, y in train:
            loss, ne = step(x, y)
            i += 1
            if i % 500 == 0:
                print(f"epoch {epoch} step {i} loss {float(loss):.4f} ne {float(ne):.4f}", flush=True)
        auc, nll = evaluate(model, valid)
        print(f"valid auc {auc:.4f} logloss {nll:.4f}")
        model.save_weights(os.path.join(args.out, f"dlrm_{epoch}.weights.h5"))


if __name__ == "__main__":
    main()
