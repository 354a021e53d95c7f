"""
Credit card fraud with an autoencoder: train on the normal transactions, flag by reconstruction error.
"""
import logging
import numpy as np
import pandas as pd
import tensorflow as tf
import keras
from keras import layers, ops
from sklearn.preprocessing import RobustScaler
from sklearn.metrics import roc_auc_score

logging.basicConfig(level=logging.INFO)
log = logging.getLogger("ae")

df = pd.read_csv("creditcard.csv")
df["Hour"] = (df["Time"] // 3600) % 24  # SAFE: constants
df["Amount"] = np.log10(df["Amount"])  # BUG: log-zero, the file has amounts of 0.00, -inf reaches the scaler and the net
df["LogTime"] = np.log(df["Time"].clip(lower=1))  # SAFE: clipped at 1
df = df.drop("Time", axis=1)

normal = df[df.Class == 0].drop("Class", axis=1)
fraud = df[df.Class == 1].drop("Class", axis=1)

scaler = RobustScaler().fit(normal.values)
x = scaler.transform(normal.values).astype("float32")
xf = scaler.transform(fraud.values).astype("float32")
cut = int(0.9 * len(x))
x_train, x_val = x[:cut], x[cut:]
dim = x.shape[1]


class CosineRecon(keras.losses.Loss):
    """1 - cos(x, x_hat) + mse"""

    def __init__(self, alpha=0.5, eps=1e-6, name="cosrec"):
        super().__init__(name=name)
        self.alpha = alpha
        self.eps = eps

    def call(self, y_true, y_pred):
        num = ops.sum(y_true * y_pred, axis=-1)
        na = ops.sqrt(ops.sum(ops.square(y_true), axis=-1) + self.eps)  # SAFE: eps inside the root
        nb = ops.sqrt(ops.sum(ops.square(y_pred), axis=-1) + self.eps)  # SAFE: eps inside the root
        cos = num / (na * nb)  # SAFE: both norms at least sqrt(eps)
        mse = ops.mean(ops.square(y_true - y_pred), axis=-1)
        return self.alpha * (1.0 - cos) + (1.0 - self.alpha) * mse


@keras.saving.register_keras_serializable()
class KLSparse(keras.regularizers.Regularizer):
    """the classic sparse autoencoder penalty on mean activations"""

    def __init__(self, rho=0.05, beta=1e-3):
        self.rho = rho
        self.beta = beta

    def __call__(self, a):
        rho_hat = ops.mean(a, axis=0)
        t1 = self.rho * ops.log(self.rho / rho_hat)  # BUG: div-zero, sigmoid units that shut off give rho_hat 0
        t2 = (1 - self.rho) * ops.log((1 - self.rho) / (1 - rho_hat))  # BUG: div-zero, or saturate to rho_hat 1
        return self.beta * ops.sum(t1 + t2)

    def get_config(self):
        return {"rho": self.rho, "beta": self.beta}


@keras.saving.register_keras_serializable()
class KLSparseClipped(KLSparse):
    def __call__(self, a):
        rho_hat = ops.clip(ops.mean(a, axis=0), 1e-5, 1 - 1e-5)
        t1 = self.rho * ops.log(self.rho / rho_hat)  # SAFE: clipped
        t2 = (1 - self.rho) * ops.log((1 - self.rho) / (1 - rho_hat))  # SAFE: clipped, 1-1e-5 is representable
        return self.beta * ops.sum(t1 + t2)


def build(sparse):
    inp = keras.Input((dim,))
    h = layers.Dense(64, activation="elu")(inp)
    code = layers.Dense(12, activation="sigmoid", activity_regularizer=sparse)(h)
    h = layers.Dense(64, activation="elu")(code)
    out = layers.Dense(dim)(h)
    return keras.Model(inp, out)


for name, reg in (("plain", None), ("kl", KLSparse()), ("klclip", KLSparseClipped())):
    ae = build(reg)
    ae.compile(optimizer=keras.optimizers.Adam(1e-3), loss=CosineRecon())  # SAFE: linear output, regression loss
    ae.fit(x_train, x_train, epochs=15, batch_size=256, validation_data=(x_val, x_val), verbose=2,
           callbacks=[keras.callbacks.EarlyStopping(patience=3), keras.callbacks.TerminateOnNaN()])

    err_n = np.mean((ae.predict(x_val, verbose=0) - x_val) ** 2, axis=1)
    err_f = np.mean((ae.predict(xf, verbose=0) - xf) ** 2, axis=1)
    score = np.concatenate([err_n, err_f])
    lab = np.concatenate([np.zeros(len(err_n)), np.ones(len(err_f))])
    z = (score - err_n.mean()) / err_n.std()  # SAFE: evaluation, numpy
    log.info("%s auc %.4f, mean z of frauds %.2f", name, roc_auc_score(lab, score), z[len(err_n):].mean())
    log.info("log err %.3f", np.log(err_n).mean())  # SAFE: only printed

# denoising variant with mixed noise level, minmaxed and sigmoid output
mn, mx = x_train.min(0), x_train.max(0)
rng = np.where(mx > mn, mx - mn, 1.0)
u_train = (x_train - mn) / rng  # SAFE: zero ranges replaced with 1
noisy = u_train + np.random.normal(0, 0.05, u_train.shape).astype("float32")

dae = keras.Sequential([
    keras.Input((dim,)),
    layers.Dense(48, activation="relu"),
    layers.Dense(12, activation="relu"),
    layers.Dense(48, activation="relu"),
    layers.Dense(dim, activation="sigmoid"),
])
dae.compile(optimizer="adam", loss="binary_crossentropy")  # SAFE: targets in 0..1, sigmoid
dae.fit(noisy, u_train, epochs=10, batch_size=256)
