import argparse
import numpy as np
import tensorflow as tf
from model import IDGL


def row_normalise(x):
    s = x.sum(1, keepdims=True)
    with np.errstate(divide="ignore"):
        r = np.power(s, -1.0)  # SAFE: infinities of empty rows are replaced on the next line
    r[np.isinf(r)] = 0.0
    return (x * r).astype("float32")


def load_npz(path):
    d = np.load(path)
    return row_normalise(d["features"].astype("float32")), d["adj"].astype("float32"), d["labels"], d["train"], d["val"], d["test"]


def masked_ce(labels, logits, mask):
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)  # SAFE: logits of gc2 have no activation
    m = tf.cast(mask, tf.float32)
    return tf.reduce_sum(ce * m) / tf.maximum(tf.reduce_sum(m), 1.0)  # SAFE: mask count floored at one


def accuracy(labels, logits, mask):
    ok = (np.argmax(logits, -1) == labels)[mask]
    return ok.mean() if ok.size else 0.0  # SAFE: guarded mean, evaluation only


def train_step(model, opt, x, a, y, mask):
    with tf.GradientTape() as tape:
        logits, learned = model((x, a), training=True)
        loss = masked_ce(y, logits, mask) + model.graph_regulariser(x, learned)
    v = model.trainable_variables
    opt.apply_gradients(zip(tape.gradient(loss, v), v))
    return loss, logits


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="cora.npz")
    p.add_argument("--epochs", type=int, default=300)
    p.add_argument("--lr", type=float, default=1e-2)
    p.add_argument("--threshold", type=float, default=0.3)
    a = p.parse_args()
    x, adj, y, tr, va, te = load_npz(a.data)
    model = IDGL(int(y.max()) + 1, threshold=a.threshold)
    opt = tf.keras.optimizers.Adam(a.lr)
    best, best_w = -1.0, None
    for ep in range(a.epochs):
        loss, _ = train_step(model, opt, x, adj, y, tr)
        logits, _ = model((x, adj), training=False)
        acc = accuracy(y, logits.numpy(), va)
        if acc > best:
            best, best_w = acc, model.get_weights()
        if ep % 20 == 0:
            print(ep, float(loss), acc)
    model.set_weights(best_w)
    print("test", accuracy(y, model((x, adj))[0].numpy(), te))


if __name__ == "__main__":
    main()
