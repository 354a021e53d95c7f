import argparse
import logging

import tensorflow as tf

from nbeats import NBeats
from objectives import OBJECTIVES, mase, wape
from windows import WindowSampler, make_dataset, read_sales

log = logging.getLogger("nbeats")


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("csv")
    p.add_argument("--backcast", type=int, default=56)
    p.add_argument("--horizon", type=int, default=14)
    p.add_argument("--scaling", default="level", choices=["level", "log", "range"])
    p.add_argument("--objective", default="smape", choices=sorted(OBJECTIVES))
    p.add_argument("--steps", type=int, default=5000)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--lr", type=float, default=1e-3)
    return p.parse_args()


@tf.function
def update(model, opt, objective, past, future):
    with tf.GradientTape() as tape:
        loss = objective(future, model(past, training=True))
    g = tape.gradient(loss, model.trainable_variables)
    g, norm = tf.clip_by_global_norm(g, 1.0)
    opt.apply_gradients(zip(g, model.trainable_variables))
    return loss, norm


def evaluate(model, ds, n):
    m = tf.keras.metrics.Mean()
    w = tf.keras.metrics.Mean()
    for past, future, level in ds.take(n):
        pred = model(past)
        m.update_state(mase(future, pred, past))
        w.update_state(wape(future * level, pred * level))
    return float(m.result()), float(w.result())


def main():
    a = parse()
    logging.basicConfig(level=logging.INFO)
    sales = read_sales(a.csv)
    cut = sales.shape[1] - a.horizon - a.backcast
    train = make_dataset(WindowSampler(sales[:, :cut], a.backcast, a.horizon), a.scaling, a.batch)
    test = make_dataset(WindowSampler(sales[:, cut:], a.backcast, a.horizon, seed=1), a.scaling, a.batch)
    model = NBeats(a.backcast, a.horizon)
    opt = tf.keras.optimizers.Adam(a.lr)
    for step, (past, future, _) in enumerate(train.take(a.steps)):
        loss, norm = update(model, opt, OBJECTIVES[a.objective], past, future)
        if step % 200 == 0:
            log.info("step %d loss %.3f |g| %.3f mase/wape %s", step, loss, norm, evaluate(model, test, 5))
    model.save_weights("nbeats.weights.h5")


if __name__ == "__main__":
    main()
