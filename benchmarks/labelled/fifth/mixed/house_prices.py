"""House price regression, Kaggle 'House Prices' notebook exported to a script.

Run:  python house_prices.py --train data/train.csv --test data/test.csv
"""
import argparse
import os

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

NUMERIC = ["LotFrontage", "LotArea", "OverallQual", "YearBuilt", "TotalBsmtSF",
           "1stFlrSF", "2ndFlrSF", "GrLivArea", "GarageCars", "GarageArea"]
CATEGORICAL = ["MSZoning", "Neighborhood", "HouseStyle", "Utilities"]
TARGET = "SalePrice"
SEED = 17


def parse_args():
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="data/train.csv")
    p.add_argument("--test", default="data/test.csv")
    p.add_argument("--epochs", type=int, default=120)
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--out", default="submission.csv")
    return p.parse_args()


def add_features(df):
    df = df.copy()
    df["HouseAge"] = 2011 - df["YearBuilt"]
    df["LogLotArea"] = np.log(df["LotArea"].clip(lower=1.0))  # SAFE: clipped to at least 1 before the log
    df["BsmtRatio"] = df["TotalBsmtSF"] / (df["GrLivArea"] + 1.0)  # SAFE: areas are never negative, so the denominator is at least 1
    df["GaragePerCar"] = np.where(
        df["GarageCars"] > 0, df["GarageArea"] / df["GarageCars"].replace(0, 1), 0.0)  # SAFE: zeros are replaced before dividing
    return df


def fill_missing(df, medians=None):
    df = df.copy()
    if medians is None:
        medians = df[NUMERIC].median()
    df[NUMERIC] = df[NUMERIC].fillna(medians)
    df[CATEGORICAL] = df[CATEGORICAL].fillna("None")
    return df, medians


def one_hot(df, columns=None):
    dummies = pd.get_dummies(df[CATEGORICAL], prefix=CATEGORICAL).astype("float32")
    if columns is not None:
        dummies = dummies.reindex(columns=columns, fill_value=0.0)
    return dummies


def build_matrix(df, dummy_columns=None):
    extra = ["HouseAge", "LogLotArea", "BsmtRatio", "GaragePerCar"]
    dummies = one_hot(df, dummy_columns)
    feats = pd.concat([df[NUMERIC + extra].reset_index(drop=True),
                       dummies.reset_index(drop=True)], axis=1)
    return feats.astype("float32"), list(dummies.columns)


def split(X, y, frac=0.2):
    rng = np.random.RandomState(SEED)
    idx = rng.permutation(len(X))
    n_val = int(len(X) * frac)
    val, trn = idx[:n_val], idx[n_val:]
    return X.iloc[trn], y[trn], X.iloc[val], y[val]


def standardize(X_train, *others):
    mu = X_train.mean(axis=0)
    sd = X_train.std(axis=0)
    out = [(X_train - mu) / sd]  # BUG: div-zero, one-hot columns of a rare category are constant in the training part, 0/0 gives NaN
    for X in others:
        out.append((X - mu) / sd)  # BUG: div-zero, same zero deviation, the validation and test rows become NaN or Inf
    return [o.values.astype("float32") for o in out]


def rmsle(y_true, y_pred):
    return tf.sqrt(tf.reduce_mean(tf.square(y_true - y_pred)))  # SAFE: only a metric, no gradient is taken through the root


def build_model(n_features, lr):
    inp = keras.Input(shape=(n_features,))
    x = layers.Dense(128, activation="relu", kernel_regularizer=keras.regularizers.l2(1e-4))(inp)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(64, activation="relu")(x)
    out = layers.Dense(1)(x)
    model = keras.Model(inp, out)
    model.compile(optimizer=keras.optimizers.Adam(lr), loss="mse", metrics=[rmsle])
    return model


def main():
    args = parse_args()
    tf.random.set_seed(SEED)
    train = pd.read_csv(args.train)
    test = pd.read_csv(args.test)

    train, med = fill_missing(train)
    test, _ = fill_missing(test, med)
    train, test = add_features(train), add_features(test)

    y = np.log1p(train[TARGET].values.astype("float32"))[:, None]  # SAFE: sale prices are positive
    X, dummy_cols = build_matrix(train)
    X_test, _ = build_matrix(test, dummy_cols)
    X_trn, y_trn, X_val, y_val = split(X, y)
    X_trn, X_val, X_test = standardize(X_trn, X_val, X_test)

    y_mu, y_sd = y_trn.mean(), y_trn.std()
    y_trn = (y_trn - y_mu) / (y_sd + 1e-6)  # SAFE: epsilon added, and prices vary
    y_val = (y_val - y_mu) / (y_sd + 1e-6)  # SAFE: epsilon added to the deviation

    model = build_model(X_trn.shape[1], args.lr)
    cbs = [keras.callbacks.EarlyStopping(monitor="val_loss", patience=15, restore_best_weights=True),
           keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=6, min_lr=1e-5)]
    model.fit(X_trn, y_trn, validation_data=(X_val, y_val), epochs=args.epochs,
              batch_size=args.batch_size, callbacks=cbs, verbose=2)

    pred = model.predict(X_test)[:, 0] * (y_sd + 1e-6) + y_mu
    sub = pd.DataFrame({"Id": test["Id"], TARGET: np.expm1(np.clip(pred, 0.0, 20.0))})  # SAFE: clipped to 20 before expm1
    os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
    sub.to_csv(args.out, index=False)
    print("wrote", args.out)


if __name__ == "__main__":
    main()
