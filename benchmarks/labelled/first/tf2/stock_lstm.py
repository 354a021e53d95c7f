# LSTM for next day returns + price, quick and dirty
import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.preprocessing import MinMaxScaler

LOOKBACK = 60
HORIZON = 1
EPS = 1e-7

raw = pd.read_csv("data/AAPL.csv", parse_dates=["Date"]).set_index("Date")
raw = raw[raw["Close"] > 0]
close = raw["Close"].values
volume = raw["Volume"].values

logret = np.diff(np.log(close))  # SAFE: rows with Close <= 0 dropped above
logvol = np.log(volume[1:])  # BUG: log-zero, half days and old rows carry Volume 0, -inf goes into the windows
feat = np.stack([logret, logvol], axis=1).astype("float32")

split = int(len(feat) * 0.8)

# scale by hand, the training range only
lo, hi = feat[:split].min(0), feat[:split].max(0)
feat = (feat - lo) / (hi - lo + EPS)  # SAFE: EPS keeps the range from being 0

price_scaler = MinMaxScaler()
price_scaler.fit(close[:split].reshape(-1, 1))
price = price_scaler.transform(close[1:].reshape(-1, 1)).astype("float32")


def windows(a, b, n):
    xs, ys = [], []
    for i in range(n, len(a)):
        xs.append(a[i - n:i])
        ys.append(b[i])
    return np.array(xs), np.array(ys)


X, Y = windows(feat, price, LOOKBACK)
Xtr, Ytr = X[: split - LOOKBACK], Y[: split - LOOKBACK]
Xte, Yte = X[split - LOOKBACK:], Y[split - LOOKBACK:]


def my_mape(y_true, y_pred):
    # prices are minmax scaled!
    return tf.reduce_mean(tf.abs((y_true - y_pred) / y_true)) * 100  # BUG: div-zero, the lowest scaled price is exactly 0


def smape(y_true, y_pred):
    num = tf.abs(y_true - y_pred)
    den = tf.abs(y_true) + tf.abs(y_pred) + EPS
    return tf.reduce_mean(2.0 * num / den)  # SAFE: EPS in the local before


def log_cosh(y_true, y_pred):
    d = y_pred - y_true
    return tf.reduce_mean(d + tf.nn.softplus(-2.0 * d) - tf.math.log(2.0))  # SAFE: stable form, log of a constant


def naive_log_cosh(y_true, y_pred):
    d = tf.clip_by_value(y_pred - y_true, -20.0, 20.0)
    return tf.reduce_mean(tf.math.log(tf.cosh(d)))  # SAFE: clipped so cosh stays finite, cosh >= 1


LOSSES = {"mape": my_mape, "smape": smape, "logcosh": log_cosh, "nlogcosh": naive_log_cosh, "mse": "mse"}


def build(loss_name):
    m = tf.keras.Sequential([
        tf.keras.layers.Input((LOOKBACK, feat.shape[1])),
        tf.keras.layers.LSTM(64, return_sequences=True),
        tf.keras.layers.Dropout(0.2),
        tf.keras.layers.LSTM(32),
        tf.keras.layers.Dense(HORIZON),
    ])
    m.compile(optimizer=tf.keras.optimizers.Adam(5e-4, clipnorm=1.0), loss=LOSSES[loss_name])  # SAFE: clipped gradient, sane rate
    return m


results = {}
for name in LOSSES:
    model = build(name)
    model.fit(Xtr, Ytr, epochs=20, batch_size=64, verbose=0, shuffle=True)
    p = model.predict(Xte, verbose=0)
    back = price_scaler.inverse_transform(p)
    true = price_scaler.inverse_transform(Yte.reshape(-1, 1))
    rmse = np.sqrt(np.mean((back - true) ** 2))  # SAFE: numpy evaluation
    mape = np.mean(np.abs((back - true) / true))  # SAFE: evaluation on positive prices
    results[name] = (rmse, mape)
    print(name, rmse, mape)

# volatility model: heteroscedastic head
inp = tf.keras.Input((LOOKBACK, feat.shape[1]))
h = tf.keras.layers.GRU(32)(inp)
mu = tf.keras.layers.Dense(1)(h)
sigma = tf.keras.layers.Dense(1, activation="softplus")(h)
sigma = tf.keras.layers.Lambda(lambda s: s + 1e-3)(sigma)
vol = tf.keras.Model(inp, tf.keras.layers.Concatenate()([mu, sigma]))


def gauss_nll(y_true, y_pred):
    mu, sg = tf.split(y_pred, 2, axis=-1)
    return tf.reduce_mean(tf.math.log(sg) + 0.5 * tf.square((y_true - mu) / sg))  # SAFE: sigma = softplus + 1e-3 in the model


vol.compile(optimizer="adam", loss=gauss_nll)  # SAFE: the loss expects mu, sigma
vol.fit(Xtr, Ytr, epochs=20, batch_size=64)

# sharpe of a toy strategy
pos = np.sign(vol.predict(Xte)[:, 0])
r = logret[-len(pos):] * pos
sharpe = r.mean() / (r.std() + 1e-12) * np.sqrt(252)  # SAFE: numpy double, guarded, report
print("sharpe", sharpe)
