import argparse
import numpy as np
import pandas as pd
import tensorflow as tf
from model import TwoTower


def load(path, hist=20):
    r = pd.read_csv(path + "/ratings.csv").sort_values("timestamp")
    items = {m: i + 1 for i, m in enumerate(r.movieId.unique())}
    r["item"] = r.movieId.map(items)
    H, I, R = [], [], []
    for _, g in r.groupby("userId"):
        seq = g["item"].tolist()
        for k in range(len(seq)):  # first one has an empty history
            h = seq[max(0, k - hist):k]
            H.append(h + [0] * (hist - len(h)))
            I.append([seq[k]])
            R.append(g["rating"].iloc[k])
    cnt = r["item"].value_counts().reindex(range(len(items) + 1)).fillna(0).values
    freq = (cnt + 1.0) / (cnt.sum() + len(cnt))  # SAFE: counts are there, +1 smoothing
    log_q = np.log(freq).astype("float32")  # SAFE: smoothed by + 1.0
    return np.array(H), np.array(I), np.array(R, "float32"), len(items), log_q


def recall_at(m, h, it, k=10):
    o = m({"history": h, "item": it})
    s = m.scores(o["u"], o["v"]).numpy()
    rank = (s > np.diag(s)[:, None]).sum(1)
    return (rank < k).mean(), (1.0 / np.log2(rank + 2)).mean()  # SAFE: rank + 2, metric


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="ml-latest-small")
    p.add_argument("--loss", default="softmax", choices=["softmax", "bpr", "bpr2", "nce"])
    p.add_argument("--sim", default="cos")
    a = p.parse_args()
    H, I, R, n, lq = load(a.data)
    m = TwoTower(0, n, sim=a.sim, log_q=tf.constant(lq))
    opt = tf.keras.optimizers.Adagrad(0.05)
    ds = tf.data.Dataset.from_tensor_slices((H, I, R)).shuffle(100000).batch(512)

    @tf.function
    def step(h, i, r):
        with tf.GradientTape() as tape:
            o = m({"history": h, "item": i}, training=True)
            if a.loss == "softmax":
                ret = m.retrieval(o["u"], o["v"], i[:, 0])
            elif a.loss == "bpr":
                ret = m.bpr(o["u"], o["v"])
            elif a.loss == "bpr2":
                ret = m.bpr_stable(o["u"], o["v"])
            else:
                ret = m.info_nce_hand(o["u"], o["v"])
            click = tf.cast(r > 3.5, tf.float32)[:, None]
            loss = ret + tf.reduce_mean(tf.square(o["rating"] - r[:, None]))
            loss += tf.reduce_mean(tf.keras.losses.binary_crossentropy(click, o["click"]))  # SAFE: click head is a sigmoid, library clips
            loss += tf.add_n(m.losses)
        g = tape.gradient(loss, m.trainable_variables)
        opt.apply_gradients(zip(g, m.trainable_variables))
        return loss

    for e in range(5):
        ls = [float(step(*b)) for b in ds]
        print(e, np.mean(ls), recall_at(m, H[-1000:], I[-1000:]))

    # plain keras multi-output ranker on the same features
    hi = tf.keras.Input((20,), name="history")
    ii = tf.keras.Input((1,), name="item")
    emb = tf.keras.layers.Embedding(n + 1, 16, mask_zero=True)
    x = tf.keras.layers.Concatenate()([tf.keras.layers.GlobalAveragePooling1D()(emb(hi)), tf.keras.layers.Flatten()(emb(ii))])
    x = tf.keras.layers.Dense(64, activation="relu")(x)
    outs = {"rating": tf.keras.layers.Dense(1, name="rating")(x),
            "click": tf.keras.layers.Dense(1, name="click")(x),
            "bucket": tf.keras.layers.Dense(5, activation="softmax", name="bucket")(x)}
    k = tf.keras.Model([hi, ii], outs)
    k.compile(optimizer="adam",
              loss={"rating": "mse",  # SAFE: linear with mse
                    "click": "binary_crossentropy",  # BUG: loss-pairing, click head is linear, the string loss expects a probability
                    "bucket": "sparse_categorical_crossentropy"})  # SAFE: softmax of five
    k.fit([H, I], {"rating": R, "click": (R > 3.5).astype("float32"), "bucket": np.ceil(R).astype("int32") - 1}, epochs=3)


if __name__ == "__main__":
    main()
