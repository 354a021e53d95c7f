"""Face verification with a siamese network (functional Keras, contrastive and
triplet variants), evaluation with a threshold sweep."""
import argparse
import os
import random

import numpy as np
import tensorflow as tf
from tensorflow.keras import backend as K
from tensorflow.keras import layers

SHAPE = (64, 64, 1)


def read_pgm(path):
    with open(path, "rb") as f:
        assert f.readline().strip() == b"P5"
        w, h = (int(v) for v in f.readline().split())
        maxval = int(f.readline())
        img = np.frombuffer(f.read(w * h), np.uint8).reshape(h, w)
    return img.astype("float32") / max(maxval, 1)  # SAFE: maximum with 1


def load_people(root):
    people = []
    for d in sorted(os.listdir(root)):
        folder = os.path.join(root, d)
        imgs = [read_pgm(os.path.join(folder, f)) for f in sorted(os.listdir(folder)) if f.endswith(".pgm")]
        if len(imgs) > 1:
            people.append(np.stack([tf.image.resize(i[..., None], SHAPE[:2]).numpy() for i in imgs]))
    return people


def local_contrast(x, eps=1e-2):
    """Divides by the deviation in a window of 9 pixels."""
    mean = tf.nn.avg_pool2d(x, 9, 1, "SAME")
    sq = tf.nn.avg_pool2d(tf.square(x), 9, 1, "SAME")
    var = tf.maximum(sq - tf.square(mean), 0.0)
    return (x - mean) / tf.maximum(tf.sqrt(var), eps)  # SAFE: the deviation is at least 0.01; images are inputs, no gradient is needed


def make_pairs(people, n, rng):
    a, b, y = [], [], []
    for i in range(n):
        p = rng.randrange(len(people))
        if i % 2:
            q = (p + rng.randrange(1, len(people))) % len(people)
            a.append(rng.choice(list(people[p])))
            b.append(rng.choice(list(people[q])))
        else:
            u, v = rng.sample(range(len(people[p])), 2)
            a.append(people[p][u])
            b.append(people[p][v])
        y.append(float(i % 2 == 0))
    return np.array(a, "float32"), np.array(b, "float32"), np.array(y, "float32")


def euclidean_distance(vects):
    x, y = vects
    sum_square = tf.reduce_sum(tf.square(x - y), axis=1, keepdims=True)
    return tf.sqrt(tf.maximum(sum_square, K.epsilon()))  # SAFE: at least 1e-7 before the root, and maximum stops the gradient below


def smooth_distance(a, b):
    return tf.sqrt(tf.reduce_sum(tf.square(a - b), axis=-1) + 1e-8)  # SAFE: 1e-8 inside the root


def contrastive_loss(margin=1.0):
    def loss(y_true, d):
        y = tf.cast(tf.reshape(y_true, tf.shape(d)), d.dtype)
        return tf.reduce_mean(y * tf.square(d) + (1.0 - y) * tf.square(tf.maximum(margin - d, 0.0)))
    return loss


def semi_hard_triplet(labels, emb, margin=0.3):
    d = smooth_distance(emb[:, None], emb[None])
    same = tf.equal(labels[:, None], labels[None])
    other = tf.cast(tf.logical_not(same), tf.float32)
    own = tf.cast(same, tf.float32) - tf.eye(tf.shape(emb)[0])
    ap = d[:, :, None]
    an = d[:, None, :]
    t = tf.nn.relu(ap - an + margin) * own[:, :, None] * other[:, None, :]
    n = tf.reduce_sum(tf.cast(t > 1e-12, tf.float32))
    return tf.reduce_sum(t) / (n + 1e-12)  # SAFE: without triplets the sum is 0 and 0 / 1e-12 is 0


def proxy_softmax(labels, emb, proxies, scale=16.0):
    e = tf.nn.l2_normalize(emb, -1)  # SAFE: l2_normalize bounds the square sum by 1e-12
    p = tf.nn.l2_normalize(proxies, -1)  # SAFE: l2_normalize bounds the square sum by 1e-12
    logits = scale * tf.matmul(e, p, transpose_b=True)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))


def arc_margin(cosine, onehot, m=0.2, scale=16.0):
    c = tf.clip_by_value(cosine, -1.0 + 1e-4, 1.0 - 1e-4)
    theta = tf.acos(c)  # SAFE: clipped 1e-4 inside of [-1, 1]
    return scale * tf.where(onehot > 0.5, tf.cos(theta + m), c)


def trunk(dim=64):
    inp = layers.Input(SHAPE)
    x = inp
    for f in (16, 32, 64):
        x = layers.Conv2D(f, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(0.1)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inp, layers.Dense(dim)(x), name="trunk")


def pair_model(base):
    a, b = layers.Input(SHAPE), layers.Input(SHAPE)
    d = layers.Lambda(euclidean_distance, output_shape=(1,))([base(a), base(b)])
    return tf.keras.Model([a, b], d)


def accuracy_sweep(d, y):
    best, thr = 0.0, 0.0
    for t in np.linspace(d.min(), d.max(), 200):
        tpr = np.sum((d < t) & (y > 0.5)) / max(np.sum(y > 0.5), 1)  # SAFE: maximum with 1
        tnr = np.sum((d >= t) & (y < 0.5)) / max(np.sum(y < 0.5), 1)  # SAFE: maximum with 1
        if 0.5 * (tpr + tnr) > best:
            best, thr = 0.5 * (tpr + tnr), t
    return best, thr


def d_prime(d, y):
    g, i = d[y > 0.5], d[y < 0.5]
    if len(g) == 0 or len(i) == 0:
        return 0.0
    return (i.mean() - g.mean()) / np.sqrt(0.5 * (g.var() + i.var()) + 1e-9)  # SAFE: variances plus 1e-9, both groups checked


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="data/att_faces")
    ap.add_argument("--mode", choices=["pair", "triplet", "proxy", "arc"], default="pair")
    ap.add_argument("--epochs", type=int, default=20)
    ap.add_argument("--lr", type=float, default=5e-4)
    args = ap.parse_args()
    rng = random.Random(0)
    people = [local_contrast(p).numpy() for p in load_people(args.root)]
    cut = int(0.8 * len(people))
    base = trunk()
    model = pair_model(base)
    if args.mode == "pair":
        model.compile(tf.keras.optimizers.RMSprop(args.lr), loss=contrastive_loss())
        a, b, y = make_pairs(people[:cut], 8000, rng)
        model.fit([a, b], y, batch_size=128, epochs=args.epochs)
    else:
        x = np.concatenate(people[:cut])
        lab = np.concatenate([np.full(len(p), i) for i, p in enumerate(people[:cut])]).astype("int32")
        proxies = tf.Variable(tf.random.normal([cut, 64], stddev=0.1))
        opt = tf.keras.optimizers.Adam(args.lr)
        for epoch in range(args.epochs):
            order = np.random.permutation(len(x))
            for s in range(0, len(x), 64):
                i = order[s:s + 64]
                with tf.GradientTape() as tape:
                    e = base(x[i], training=True)
                    if args.mode == "triplet":
                        loss = semi_hard_triplet(lab[i], e)
                    elif args.mode == "proxy":
                        loss = proxy_softmax(lab[i], e, proxies)
                    else:
                        c = tf.matmul(tf.nn.l2_normalize(e, -1), tf.nn.l2_normalize(proxies, -1), transpose_b=True)  # SAFE: l2_normalize has its epsilon
                        oh = tf.one_hot(lab[i], cut)
                        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(oh, arc_margin(c, oh)))
                vs = base.trainable_variables + ([] if args.mode == "triplet" else [proxies])
                opt.apply_gradients(zip(tape.gradient(loss, vs), vs))
            print(epoch, float(loss))
    a, b, y = make_pairs(people[cut:], 1000, rng)
    d = model.predict([a, b])[:, 0]
    print("accuracy %.3f at %.3f, d' %.2f" % (accuracy_sweep(d, y) + (d_prime(d, y),)))


if __name__ == "__main__":
    main()
