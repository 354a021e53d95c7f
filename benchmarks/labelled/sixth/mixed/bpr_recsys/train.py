import argparse
import numpy as np
import tensorflow as tf

from data import load_interactions, leave_last_out, popularity, propensity, TripletSampler
from model import BPRMF


def hit_ndcg(model, users, items, n_items, k=10, negatives=99, seed=1):
    rng = np.random.default_rng(seed)
    hits, ndcg = [], []
    for u, i in zip(users, items):
        cand = np.concatenate([[i], rng.integers(0, n_items, negatives)])
        s = model.score(tf.fill([len(cand)], int(u)), tf.constant(cand, tf.int32)).numpy()
        rank = int((s[1:] > s[0]).sum())
        hits.append(rank < k)
        ndcg.append(1.0 / np.log2(rank + 2) if rank < k else 0.0)  # SAFE: rank >= 0, so log2 is at least 1
    return float(np.mean(hits)), float(np.mean(ndcg))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="ml-100k/u.data")
    p.add_argument("--dim", type=int, default=64)
    p.add_argument("--lr", type=float, default=5e-2)
    p.add_argument("--reg", type=float, default=0.0)
    p.add_argument("--epochs", type=int, default=200)
    p.add_argument("--ips", action="store_true")
    a = p.parse_args()
    u, i, r, ts, nu, ni = load_interactions(a.data)
    tr, te = leave_last_out(u, i, ts, nu)
    model = BPRMF(nu, ni, a.dim, a.reg, propensity(i[tr], ni) if a.ips else None)
    opt = tf.keras.optimizers.Adam(a.lr)
    sampler = TripletSampler(u[tr], i[tr], nu, ni, popularity(i[tr], ni))

    @tf.function(reduce_retracing=True)
    def step(b):
        with tf.GradientTape() as tape:
            loss = model.ranking_loss(b)
        opt.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    for ep in range(a.epochs):
        losses = [float(step(tuple(map(tf.constant, b)))) for b in sampler]
        if ep % 5 == 0:
            hr, nd = hit_ndcg(model, u[te], i[te], ni)
            print(f"epoch {ep} loss {np.mean(losses):.4f} HR@10 {hr:.4f} NDCG@10 {nd:.4f}")
    model.save_weights("bpr.weights.h5")


if __name__ == "__main__":
    main()
