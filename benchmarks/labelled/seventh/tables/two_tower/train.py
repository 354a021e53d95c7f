import argparse

import keras
import numpy as np
import tensorflow as tf

from config import TowerConfig
from events import Events
from objectives import completion_loss, pairwise, sampled_softmax, uniformity
from towers import Retriever


class Fitter:

    def __init__(self, cfg, events):
        self.cfg, self.ev = cfg, events
        self.model = Retriever(cfg, events.genre_profile())
        self.log_pop = tf.constant(events.log_popularity())
        self.opt = keras.optimizers.Adagrad(cfg.lr * 10, initial_accumulator_value=0.1)  # SAFE: a rate of 0.01 and an accumulator that starts at 0.1
        self.completion, self.recency = events.completion(), events.recency()

    @tf.function(reduce_retracing=True)
    def step(self, user, hist, item, done, weight):
        with tf.GradientTape() as tape:
            u, v, logit = self.model((user, hist, item))
            s = self.model.scores(u, v)
            loss = sampled_softmax(s, item, self.log_pop, weight)
            loss += self.cfg.rank_weight * pairwise(s, weight)
            loss += tf.reduce_mean(completion_loss(done, logit)) + 0.01 * uniformity(v)
        grads = [tf.convert_to_tensor(g) for g in tape.gradient(loss, self.model.trainable_variables)]
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        return loss

    def epoch(self, idx, rng):
        order, out = rng.permutation(idx), []
        for i in range(0, len(order) - self.cfg.batch + 1, self.cfg.batch):
            k = order[i:i + self.cfg.batch]
            out.append(float(self.step(*[tf.constant(a[k]) for a in (
                self.ev.user, self.ev.history, self.ev.item, self.completion, self.recency)])))
        return np.mean(out) if out else 0.0

    def evaluate(self, idx, limit=2000):
        v = self.model.items(tf.range(self.cfg.n_items)).numpy()
        k = idx[:limit]
        u = self.model.users((tf.constant(self.ev.user[k]), tf.constant(self.ev.history[k]))).numpy()
        s = u @ v.T
        rank = (s > s[np.arange(len(k)), self.ev.item[k]][:, None]).sum(1)
        res = {f"hit@{n}": float((rank < n).mean()) for n in self.cfg.metrics_at}
        res["ndcg@50"] = float(np.where(rank < 50, 1.0 / np.log2(rank + 2.0), 0.0).mean())  # SAFE: rank is at least zero, so the logarithm is at least one
        return res


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--events", default="events.npz")
    ap.add_argument("--epochs", type=int, default=5)
    ap.add_argument("--weights", default="retriever.weights.h5")
    a = ap.parse_args()
    cfg = TowerConfig(epochs=a.epochs)
    fitter = Fitter(cfg, Events(a.events, cfg))
    train, test = fitter.ev.split()
    rng = np.random.default_rng(0)
    for e in range(cfg.epochs):
        print(e, fitter.epoch(train, rng), fitter.evaluate(test), flush=True)
    fitter.model.save_weights(a.weights)


if __name__ == "__main__":
    main()
