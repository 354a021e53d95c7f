# Ames housing, wide + deep, two optimizers, exported from my Kaggle notebook
import os
import csv

import numpy as np
import tensorflow as tf

DATA = os.environ.get('AMES', '../input/house-prices')
NUMERIC = ['LotArea', 'OverallQual', 'YearBuilt', 'TotalBsmtSF', 'GrLivArea', 'GarageArea', '1stFlrSF', 'FullBath']
CATEG = ['Neighborhood', 'HouseStyle', 'KitchenQual']
BATCH_SIZE = 128
N_EPOCHS = 60
LR_DEEP = 1e-3
LR_WIDE = 0.05
SEED = 42

np.random.seed(SEED)
tf.random.set_seed(SEED)


def read(name):
    with open(os.path.join(DATA, name)) as f:
        return list(csv.DictReader(f))


def numeric(rows):
    def num(s):
        return np.nan if s in ('', 'NA') else float(s)
    return np.array([[num(r[c]) for c in NUMERIC] for r in rows])


def categorical(rows, tables=None):
    if tables is None:
        tables = {c: {v: i + 1 for i, v in enumerate(sorted({r[c] for r in rows}))} for c in CATEG}
    idx = np.array([[tables[c].get(r[c], 0) for c in CATEG] for r in rows], np.int32)
    return idx, tables


class Scaler:
    def __init__(self, x):
        x = np.sign(x) * np.log1p(np.abs(x))  # SAFE: abs makes the argument of log1p non-negative
        self.mu = np.nanmean(x, 0)
        self.sd = np.nanstd(x, 0)
        self.sd[self.sd < 1e-9] = 1.0

    def __call__(self, x):
        x = np.sign(x) * np.log1p(np.abs(x))  # SAFE: as in __init__
        z = (x - self.mu) / self.sd  # SAFE: columns without spread have sd 1
        return np.nan_to_num(z).astype(np.float32)


def one_hot_wide(idx, tables):
    parts = [np.eye(len(tables[c]) + 1, dtype=np.float32)[idx[:, k]] for k, c in enumerate(CATEG)]
    return np.concatenate(parts, 1)


class WideDeep(tf.keras.Model):
    def __init__(self, tables):
        super().__init__()
        self.wide = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer='zeros')
        self.embs = [tf.keras.layers.Embedding(len(tables[c]) + 1, 8) for c in CATEG]
        self.deep = tf.keras.Sequential([
            tf.keras.layers.Dense(64, activation='relu'),
            tf.keras.layers.Dropout(0.1),
            tf.keras.layers.Dense(32, activation='relu'),
            tf.keras.layers.Dense(1),
        ])

    def call(self, inputs, training=False):
        num, idx, hot = inputs
        e = [emb(idx[:, k]) for k, emb in enumerate(self.embs)]
        deep = self.deep(tf.concat([num] + e, 1), training=training)
        wide = self.wide(tf.concat([hot, num], 1))
        return tf.squeeze(wide + deep, 1)


def sse(y, p):
    return tf.reduce_sum(tf.square(y - p))


def rmse(y, p):
    return float(np.sqrt(np.mean((y - p) ** 2)))  # SAFE: numpy metric, a root of 0 is 0


class Loop:
    def __init__(self, model):
        self.model = model
        self.opt_deep = tf.keras.optimizers.Adam(LR_DEEP)
        self.opt_wide = tf.keras.optimizers.SGD(LR_WIDE, momentum=0.9)

    @tf.function
    def step(self, num, idx, hot, y):
        with tf.GradientTape(persistent=True) as tape:
            p = self.model((num, idx, hot), training=True)
            loss = sse(y, p)
        dv = [v for v in self.model.trainable_variables if all(v is not w for w in self.model.wide.trainable_variables)]
        gd = tape.gradient(loss, dv)
        gw = tape.gradient(loss, self.model.wide.trainable_variables)
        del tape
        gd, _ = tf.clip_by_global_norm(gd, 10.0)
        self.opt_deep.apply_gradients(zip(gd, dv))
        self.opt_wide.apply_gradients(zip(gw, self.model.wide.trainable_variables))  # BUG: rate, the loss is a sum over 128 rows, SGD with 0.05 and momentum 0.9 on the linear part diverges
        return loss / tf.cast(tf.shape(y)[0], tf.float32)  # SAFE: a batch has at least one row


def main():
    rows, test = read('train.csv'), read('test.csv')
    xn = numeric(rows)
    price = np.array([float(r['SalePrice']) for r in rows])
    y = np.log(np.maximum(price, 1.0))  # SAFE: prices are floored at 1
    y_mu, y_sd = y.mean(), max(y.std(), 1e-6)
    y = ((y - y_mu) / y_sd).astype(np.float32)  # SAFE: y_sd is at least 1e-6
    idx, tables = categorical(rows)
    sc = Scaler(xn)
    num, hot = sc(xn), one_hot_wide(idx, tables)

    perm = np.random.permutation(len(y))
    va, tr = perm[:len(y) // 5], perm[len(y) // 5:]
    ds = tf.data.Dataset.from_tensor_slices((num[tr], idx[tr], hot[tr], y[tr])).shuffle(2000).batch(BATCH_SIZE)
    model = WideDeep(tables)
    loop = Loop(model)
    for ep in range(N_EPOCHS):
        m = tf.keras.metrics.Mean()
        for b in ds:
            m.update_state(loop.step(*b))
        p = model((num[va], idx[va], hot[va])).numpy()
        print(ep, float(m.result()), rmse(y[va], p) * y_sd)

    ti, _ = categorical(test, tables)
    p = model((sc(numeric(test)), ti, one_hot_wide(ti, tables))).numpy()
    out = np.exp(np.clip(p * y_sd + y_mu, 0.0, 20.0))  # SAFE: clipped to [0, 20], prediction only
    with open('submission.csv', 'w') as f:
        f.write('Id,SalePrice\n')
        for r, v in zip(test, out):
            f.write('%s,%.2f\n' % (r['Id'], v))


if __name__ == '__main__':
    main()
