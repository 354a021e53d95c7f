import sys

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

import params
import series
from objectives import OBJECTIVES, wape


class TemporalAttention(layers.Layer):
    def build(self, shape):
        self.q = self.add_weight(name="q", shape=(shape[-1],), initializer="random_normal")

    def call(self, h):
        score = tf.tensordot(h, self.q, 1) / tf.sqrt(tf.cast(tf.shape(h)[-1], h.dtype))  # SAFE: number of channels is positive
        return tf.reduce_sum(h * tf.nn.softmax(score, axis=1)[..., None], axis=1)  # SAFE: stable softmax


def build(p, n_features):
    inp = keras.Input((p["lookback"], n_features))
    x = layers.GRU(p["units"], return_sequences=True)(inp)
    x = layers.LayerNormalization()(x)
    x = TemporalAttention()(x)
    x = layers.Dropout(p["dropout"])(x)
    x = layers.Dense(p["units"], activation="relu")(x)
    return keras.Model(inp, layers.Dense(p["horizon"])(x))


def prepare(p):
    stamps, load, temp = series.read(p["csv"])
    cut = int(len(load) * (1 - p["val_fraction"]))
    sy = series.SCALERS[p["scaler"]]().fit(load[:cut])
    st = series.Standard().fit(temp[:cut])
    feats = np.concatenate([sy.transform(load)[:, None], st.transform(temp)[:, None], series.time_features(stamps)], 1)
    return windows_split(feats, sy.transform(load), cut, p), sy


def windows_split(feats, y, cut, p):
    tr = series.windows(feats[:cut], y[:cut], p["lookback"], p["horizon"])
    va = series.windows(feats[cut - p["lookback"]:], y[cut - p["lookback"]:], p["lookback"], p["horizon"])
    return tr, va


def compile_from(p, model):
    opt = keras.optimizers.get({"class_name": p["optimizer"], "config": {"learning_rate": p["lr"], "clipnorm": 1.0}})
    model.compile(optimizer=opt, loss=OBJECTIVES[p["objective"]], metrics=["mae", wape])
    return model


def skill(y, pred, naive):
    e, n = np.abs(y - pred).mean(), np.abs(y - naive).mean()
    return 1.0 - e / n if n > 0 else 0.0  # SAFE: only divides by a positive error, reporting


def main():
    p = params.parse(sys.argv[1:])
    ((x, y), (xv, yv)), sy = prepare(p)
    model = compile_from(p, build(p, x.shape[-1]))
    model.fit(x, y, validation_data=(xv, yv), batch_size=p["batch"], epochs=p["epochs"],
              callbacks=[keras.callbacks.EarlyStopping(patience=6, restore_best_weights=True)])
    pred = sy.inverse(model.predict(xv))
    naive = sy.inverse(xv[:, -24:, 0])[:, : p["horizon"]]
    print("skill", skill(sy.inverse(yv), pred, naive))


if __name__ == "__main__":
    main()
