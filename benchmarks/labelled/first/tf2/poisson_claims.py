# Insurance claims: frequency (poisson), severity (gamma), quantiles of the total. freMTPL2 data.
import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers, backend as K

freq = pd.read_csv("freMTPL2freq.csv")
sev = pd.read_csv("freMTPL2sev.csv").groupby("IDpol")["ClaimAmount"].sum().reset_index()
df = freq.merge(sev, on="IDpol", how="left").fillna({"ClaimAmount": 0})
df["Exposure"] = df["Exposure"].clip(lower=1 / 365, upper=1.0)  # SAFE: constants
df["ClaimNb"] = df["ClaimNb"].clip(upper=4)

cols = ["VehPower", "VehAge", "DrivAge", "BonusMalus", "Density"]
x_raw = df[cols].values.astype("float32")
y = df["ClaimNb"].values.astype("float32")
expo = df["Exposure"].values.astype("float32")
log_expo = np.log(expo)  # SAFE: exposure clipped at 1/365

N = len(df)
idx = np.random.RandomState(0).permutation(N)
tr, te = idx[: int(0.8 * N)], idx[int(0.8 * N):]

# --- model 0: the GLM, written quickly
glm_in = keras.Input((len(cols),))
glm_off = keras.Input((1,))
eta = layers.Dense(1)(glm_in)
rate = layers.Lambda(lambda t: tf.exp(t[0] + t[1]))([eta, glm_off])  # BUG: exp-overflow, density goes to 27000 unscaled, eta of the fresh Dense is in the thousands
glm = keras.Model([glm_in, glm_off], rate)
glm.compile(optimizer=keras.optimizers.Adam(1e-3), loss="poisson")
glm.fit([x_raw[tr], log_expo[tr, None]], y[tr], epochs=3, batch_size=1024)

# --- model 1: scaled, with a clipped predictor
norm = layers.Normalization()
norm.adapt(x_raw[tr])

i1 = keras.Input((len(cols),))
i2 = keras.Input((1,))
h = norm(i1)
h = layers.Dense(32, activation="tanh")(h)
h = layers.Dense(16, activation="tanh")(h)
eta = layers.Dense(1)(h)
lam = layers.Lambda(lambda t: K.exp(K.clip(t[0], -10.0, 5.0) + t[1]))([eta, i2])  # SAFE: predictor clipped, log exposure <= 0
net = keras.Model([i1, i2], lam)


def poisson_deviance(y_true, y_pred):
    # 2*(y log(y/mu) - (y-mu)),   y log y = 0 at y = 0
    ratio = y_true / y_pred  # SAFE: y_pred is exp(>= -10 - 6)
    term = tf.where(y_true > 0, y_true * tf.math.log(ratio), tf.zeros_like(y_true))  # BUG: zero-log-zero, where only masks the value; at y=0 the gradient of log(0/mu) is 0*inf
    return 2.0 * tf.reduce_mean(term - (y_true - y_pred))


def poisson_deviance_xlogy(y_true, y_pred):
    return 2.0 * tf.reduce_mean(tf.math.xlogy(y_true, y_true / y_pred) - (y_true - y_pred))  # SAFE: xlogy knows 0 log 0, y_pred bounded below


def poisson_nll(y_true, y_pred):
    return tf.reduce_mean(y_pred - y_true * tf.math.log(y_pred + K.epsilon()))  # SAFE: epsilon


for name, loss in (("dev", poisson_deviance), ("xlogy", poisson_deviance_xlogy), ("nll", poisson_nll)):
    m = keras.models.clone_model(net)
    m.compile(optimizer=keras.optimizers.Nadam(1e-3), loss=loss)
    m.fit([x_raw[tr], log_expo[tr, None]], y[tr, None], epochs=5, batch_size=512, verbose=2)
    mu = m.predict([x_raw[te], log_expo[te, None]]).ravel()
    dev = 2 * np.mean(mu - y[te] + np.where(y[te] > 0, y[te] * np.log(np.maximum(y[te], 1) / mu), 0))  # SAFE: numpy evaluation with maximum
    print(name, dev, mu.sum() / y[te].sum())  # SAFE: printing

# --- severity, gamma with a log link
s = df[df.ClaimAmount > 0]
xs = s[cols].values.astype("float32")
xs = (xs - xs.mean(0)) / xs.std(0)  # SAFE: five columns that vary
ys = s["ClaimAmount"].values.astype("float32") / 1000.0  # SAFE: constant


def gamma_deviance(y_true, log_mu):
    log_mu = tf.clip_by_value(log_mu, -8.0, 8.0)
    return tf.reduce_mean(y_true * tf.exp(-log_mu) + log_mu - tf.math.log(y_true))  # SAFE: rows with ClaimAmount > 0 only, exponent clipped


sev_net = keras.Sequential([keras.Input((len(cols),)), layers.Dense(16, activation="relu"), layers.Dense(1)])
sev_net.compile(optimizer="adam", loss=gamma_deviance)  # SAFE: linear output is log mu
sev_net.fit(xs, ys, epochs=10, batch_size=128)

# --- quantiles
QS = [0.1, 0.5, 0.9]


def pinball(q):
    def f(y_true, y_pred):
        e = y_true - y_pred
        return tf.reduce_mean(tf.maximum(q * e, (q - 1) * e))  # SAFE: piecewise linear
    return f


qi = keras.Input((len(cols),))
hh = layers.Dense(32, activation="relu")(qi)
outs = {f"q{int(q * 100)}": layers.Dense(1, name=f"q{int(q * 100)}")(hh) for q in QS}
qn = keras.Model(qi, outs)
qn.compile(optimizer="adam", loss={f"q{int(q * 100)}": pinball(q) for q in QS})  # SAFE: linear outputs with pinball
qn.fit(xs, {k: ys for k in outs}, epochs=10, batch_size=128)
