import numpy as np
import tensorflow as tf

import options
from learner import ProtoNet


def load(path):
    with np.load(path) as f:
        x = f["images"].astype(np.float32) / 255.0  # SAFE: constant divisor, pixels end in [0, 1]
        y = f["labels"]
    classes = [x[y == c][..., None] for c in np.unique(y)]
    return classes


def episode(classes, o, rng):
    pick = rng.choice(len(classes), o.way, replace=False)
    sup, qry, lab = [], [], []
    for j, c in enumerate(pick):
        imgs = classes[c]
        i = rng.permutation(len(imgs))[:o.shot + o.query]
        sup.append(imgs[i[:o.shot]])
        qry.append(imgs[i[o.shot:]])
        lab += [j] * (len(i) - o.shot)
    return np.concatenate(sup), np.concatenate(qry), np.array(lab, np.int32)


def confidence(acc):
    acc = np.asarray(acc)
    return acc.mean(), 1.96 * acc.std() / np.sqrt(max(len(acc), 1))  # SAFE: max(.., 1)


def evaluate(model, classes, o, rng, n=100):
    acc = []
    for _ in range(n):
        s, q, y = episode(classes, o, rng)
        acc.append(float(model.accuracy(model.scores(tf.constant(s), tf.constant(q), False), y)))
    return confidence(acc)


def main():
    o = options.get().parse_args()
    rng = np.random.default_rng(o.seed)
    tf.random.set_seed(o.seed)
    classes = load(o.root)
    cut = int(0.8 * len(classes))
    model = ProtoNet(o)
    run = []
    for ep in range(o.episodes):
        s, q, y = episode(classes[:cut], o, rng)
        loss, acc = model.step(tf.constant(s), tf.constant(q), tf.constant(y))
        run.append(float(acc))
        if ep % 200 == 0:
            m, ci = evaluate(model, classes[cut:], o, rng)
            print(ep, float(loss), np.mean(run[-200:]), f"test {m:.3f} +- {ci:.3f}")  # SAFE: at least one episode was appended
    model.net.save_weights("proto.weights.h5")


if __name__ == "__main__":
    main()
