"""python main_transit.py ROOT [--cfg my.json] : boardings per stop with a heteroscedastic head."""
import argparse

import numpy as np
import tensorflow as tf

from defaults import merged
from graphdata import StopGraph
from layers_graph import DemandNet


def gaussian_nll(y, mean, raw):
    var = tf.nn.softplus(raw) + 1e-3
    return 0.5 * (tf.math.log(var) + tf.square(y - mean) / var)  # SAFE: variance is softplus plus 1e-3


def crps(y, mean, raw):
    sd = np.sqrt(np.log1p(np.exp(np.minimum(raw, 30.0))) + 1e-3)  # SAFE: exponent capped, argument positive
    z = (y - mean) / sd  # SAFE: deviation at least sqrt(1e-3)
    pdf = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    cdf = 0.5 * (1 + tf.math.erf(z / np.sqrt(2)).numpy())
    return float(np.mean(sd * (z * (2 * cdf - 1) + 2 * pdf - 1 / np.sqrt(np.pi))))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("root")
    ap.add_argument("--cfg")
    a = ap.parse_args()
    cfg = merged(a.cfg)
    G = StopGraph(a.root, cfg)
    tr, va, te = G.split()
    mu, sd = G.y[tr].mean(), G.y[tr].std()
    y = tf.constant(((G.y - mu) / max(sd, 1e-6))[:, None])  # SAFE: deviation floored
    g = dict(src=tf.constant(G.src), dst=tf.constant(G.dst), w=tf.constant(G.weight), n=tf.constant(G.n))
    x = tf.constant(G.x)
    net = DemandNet(**cfg["model"])
    t = cfg["train"]
    opt = tf.keras.optimizers.AdamW(t["lr"], weight_decay=t["weight_decay"])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            m, r = net(x, g, training=True)
            loss = tf.reduce_mean(tf.gather(gaussian_nll(y, m, r), tr))
        gr = tape.gradient(loss, net.trainable_variables)
        opt.apply_gradients(zip(gr, net.trainable_variables))
        return loss

    best, wait, keep = np.inf, 0, None
    for ep in range(t["epochs"]):
        loss = float(step())
        m, r = net(x, g)
        v = float(tf.reduce_mean(tf.gather(gaussian_nll(y, m, r), va)))
        if v < best:
            best, wait, keep = v, 0, net.get_weights()
        else:
            wait += 1
            if wait > t["patience"]:
                break
        if ep % 20 == 0:
            print(f"{ep:4d} train {loss:.4f} val {v:.4f}")
    net.set_weights(keep)
    m, r = (v.numpy()[te, 0] for v in net(x, g))
    print("test CRPS (log boardings)", crps(y.numpy()[te, 0], m, r) * sd)


if __name__ == "__main__":
    main()
