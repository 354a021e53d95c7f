"""Probabilistic demand forecasts: quantile heads and a negative binomial head, one keras model.

    python demand_quantiles.py --sales sales.csv --horizon 7
"""
import argparse

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

QUANTILES = (0.1, 0.5, 0.9)
MAX_LOG_RATE = 12.0


def pinball(q):
    def loss(y, f):
        e = y - f
        return tf.reduce_mean(tf.maximum(q * e, (q - 1) * e), axis=-1)
    loss.__name__ = 'pinball_%02d' % int(100 * q)
    return loss


def smooth_pinball(q, delta=0.01):
    def loss(y, f):
        e = y - f
        soft = tf.sqrt(tf.square(e) + delta ** 2) - delta  # SAFE: delta squared (1e-4) is under the root
        return tf.reduce_mean(0.5 * soft + (q - 0.5) * e, axis=-1)
    return loss


def negative_binomial(y, params):
    """params = (log rate, raw dispersion)."""
    log_mu = MAX_LOG_RATE * tf.tanh(params[..., 0:1] / MAX_LOG_RATE)
    alpha = tf.nn.softplus(params[..., 1:2]) + 1e-3
    mu = tf.exp(log_mu)  # SAFE: tanh bounds the logarithm to 12
    r = 1.0 / alpha  # SAFE: softplus + 1e-3 is at least 1e-3
    log_p = (tf.math.lgamma(y + r) - tf.math.lgamma(r) - tf.math.lgamma(y + 1.0)  # SAFE: counts y >= 0 and r > 0
             + r * tf.math.log(r / (r + mu))  # SAFE: r >= 1/alpha > 0 and mu > 0
             + y * (log_mu - tf.math.log(r + mu)))  # SAFE: the sum of two positive numbers
    return -tf.reduce_mean(log_p, axis=-1)


def coverage(y, f):
    return tf.reduce_mean(tf.cast(y <= f, tf.float32))


class SeriesScale(layers.Layer):
    """Divides the history by its own mean and hands the scale on (as in DeepAR)."""

    def call(self, history):
        scale = tf.reduce_mean(tf.abs(history), axis=1, keepdims=True) + 1.0
        return history / scale, scale  # SAFE: mean of absolute values plus one


def build(history, n_static, horizon, width=64):
    inp = keras.Input((history,), name='history')
    static = keras.Input((n_static,), name='static')
    scaled, scale = SeriesScale()(inp)
    x = layers.Concatenate()([scaled, static, layers.Lambda(lambda s: tf.math.log(s), output_shape=(1,))(scale)])  # SAFE: the scale is at least 1
    for _ in range(2):
        h = layers.Dense(width, activation='gelu')(x)
        h = layers.LayerNormalization()(h)
        x = layers.Concatenate()([x, h])
    outputs = {}
    for q in QUANTILES:
        f = layers.Dense(horizon, activation='softplus')(x)
        outputs['q%02d' % int(100 * q)] = layers.Multiply(name='q%02d' % int(100 * q))([f, scale])
    nb = layers.Dense(2, name='nb_raw')(x)
    outputs['nb'] = layers.Lambda(
        lambda t: tf.concat([t[0][:, :1] + tf.math.log(t[1]), t[0][:, 1:]], axis=-1),  # SAFE: the scale is at least 1
        output_shape=(2,), name='nb')([nb, scale])
    return keras.Model([inp, static], outputs)


def compile_model(model, lr, clip):
    losses = {'q%02d' % int(100 * q): pinball(q) if q != 0.5 else smooth_pinball(q) for q in QUANTILES}
    losses['nb'] = negative_binomial
    weights = {k: 1.0 for k in losses}
    weights['nb'] = 0.1
    model.compile(optimizer=keras.optimizers.Adam(lr, clipnorm=clip), loss=losses, loss_weights=weights,
                  metrics={'q%02d' % int(100 * q): [coverage] for q in QUANTILES})
    return model


def load_windows(path, history, horizon):
    table = pd.read_csv(path, parse_dates=['date'])
    table = table.pivot_table(index='date', columns='item', values='sold', fill_value=0).sort_index()
    table = table.clip(lower=0)
    values = table.values.astype('float32')
    X, S, Y = [], [], []
    for end in range(history, len(values) - horizon + 1):
        day = table.index[end].dayofweek
        onehot = np.eye(7, dtype='float32')[day]
        for item in range(values.shape[1]):
            X.append(values[end - history:end, item])
            S.append(onehot)
            Y.append(values[end:end + horizon, item])
    return np.stack(X), np.stack(S), np.stack(Y)


def targets(Y):
    t = {'q%02d' % int(100 * q): Y for q in QUANTILES}
    t['nb'] = Y.sum(axis=1, keepdims=True)
    return t


def wape(truth, forecast):
    return np.abs(truth - forecast).sum() / max(np.abs(truth).sum(), 1.0)  # SAFE: denominator is at least 1


def report(model, X, S, Y):
    out = model.predict([X, S], verbose=0)
    print('WAPE of the median  %.4f' % wape(Y, out['q50']))
    print('80%% interval holds  %.4f' % np.mean((Y >= out['q10']) & (Y <= out['q90'])))
    width = (out['q90'] - out['q10']).mean() / (Y.mean() + 1e-6)  # SAFE: sales were clipped at 0, a constant is added
    print('relative width      %.4f' % width)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--sales', default='sales.csv')
    p.add_argument('--history', type=int, default=56)
    p.add_argument('--horizon', type=int, default=7)
    p.add_argument('--epochs', type=int, default=20)
    p.add_argument('--lr', type=float, default=1e-3)
    p.add_argument('--clip', type=float, default=5.0)
    args = p.parse_args()
    X, S, Y = load_windows(args.sales, args.history, args.horizon)
    cut = int(0.85 * len(X))
    model = compile_model(build(args.history, S.shape[1], args.horizon), args.lr, args.clip)
    model.fit([X[:cut], S[:cut]], targets(Y[:cut]), batch_size=256, epochs=args.epochs,
              validation_data=([X[cut:], S[cut:]], targets(Y[cut:])),
              callbacks=[keras.callbacks.ReduceLROnPlateau(patience=2), keras.callbacks.TerminateOnNaN()])
    report(model, X[cut:], S[cut:], Y[cut:])


if __name__ == '__main__':
    main()
