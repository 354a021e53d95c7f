"""python fit_demand.py --sales data/sales.csv"""
import argparse
import json
import logging
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras

from network import DemandNet, negative_binomial_nll
from panel import calendar, drop_dead_series, make_dataset, read_panel, series_share, windows
from settings import Settings

log = logging.getLogger("fit_demand")


def evaluate(model, ds):
    nll, abs_err, volume, count = 0.0, 0.0, 0.0, 0
    for batch, y in ds:
        mean, disp = model(batch)
        nll += float(tf.reduce_sum(negative_binomial_nll(y, mean, disp)))
        abs_err += float(tf.reduce_sum(tf.abs(mean - y)))
        volume += float(tf.reduce_sum(y))
        count += int(tf.size(y))
    return {"nll": nll / max(count, 1), "wape": abs_err / max(volume, 1.0)}  # SAFE: both denominators are at least one


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sales", required=True)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--promo-weeks", default="")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

    cfg = Settings()
    if args.epochs:
        cfg.epochs = args.epochs
    keras.utils.set_random_seed(cfg.seed)
    os.makedirs(cfg.model_dir, exist_ok=True)

    keys, panel = read_panel(args.sales)
    panel, keys = drop_dead_series(panel, keys)
    share = series_share(panel)
    log.info("largest series %s with %.2f%% of volume", keys[int(np.argmax(share))], 100 * share.max())
    promo = [int(w) for w in args.promo_weeks.split(",") if w]
    cal = calendar(panel.shape[1], promo)
    cut = panel.shape[1] - cfg.horizon
    train = make_dataset(windows(panel[:, :cut], cal[:cut], cfg.context, cfg.horizon), cfg.batch_size, True, cfg.seed)
    tail = cut - cfg.context
    valid = make_dataset(windows(panel[:, tail:], cal[tail:], cfg.context, cfg.horizon), cfg.batch_size, False, cfg.seed)

    model = DemandNet(cfg)
    steps = cfg.epochs * max(len(train), 1)
    schedule = keras.optimizers.schedules.CosineDecay(cfg.learning_rate, steps)
    optimizer = keras.optimizers.Adam(schedule)

    @tf.function
    def train_step(batch, y):
        with tf.GradientTape() as tape:
            mean, disp = model(batch, training=True)
            loss = tf.reduce_mean(negative_binomial_nll(y, mean, disp))
        grads = tape.gradient(loss, model.trainable_variables)
        grads, norm = tf.clip_by_global_norm(grads, cfg.clip_norm)
        optimizer.apply_gradients(zip(grads, model.trainable_variables))
        return loss, norm

    best = np.inf
    history = []
    for epoch in range(cfg.epochs):
        losses = [float(train_step(b, y)[0]) for b, y in train]
        scores = evaluate(model, valid)
        scores["train"] = float(np.mean(losses))
        history.append(scores)
        log.info("epoch %d %s", epoch, json.dumps(scores))
        if scores["nll"] < best:
            best = scores["nll"]
            model.save_weights(os.path.join(cfg.model_dir, "best.weights.h5"))
    with open(os.path.join(cfg.model_dir, "history.json"), "w") as fh:
        json.dump(history, fh, indent=1)


if __name__ == "__main__":
    main()
