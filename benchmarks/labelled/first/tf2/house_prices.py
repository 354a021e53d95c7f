"""Kaggle house prices, my keras baseline. Run: python house_prices.py train.csv"""
import sys
import os
import pandas as pd
import numpy as np
import tensorflow as tf
from tensorflow.keras.models import Sequential
from tensorflow.keras.layers import Dense, Dropout, BatchNormalization, Input
from tensorflow.keras.callbacks import EarlyStopping, ReduceLROnPlateau
from tensorflow.keras import backend as K
from sklearn.model_selection import train_test_split, KFold

path = sys.argv[1] if len(sys.argv) > 1 else "train.csv"
df = pd.read_csv(path)
test = pd.read_csv(os.path.join(os.path.dirname(path), "test.csv"))

# target in log space
y = np.log1p(df["SalePrice"].values.astype("float32"))  # SAFE: prices are positive, and log1p
df = df.drop(columns=["Id", "SalePrice"])

num_cols = [c for c in df.columns if df[c].dtype != "object"]
cat_cols = [c for c in df.columns if df[c].dtype == "object"]

df[num_cols] = df[num_cols].fillna(df[num_cols].median())
test[num_cols] = test[num_cols].fillna(df[num_cols].median())

# area features are skewed
for c in ["LotArea", "GrLivArea", "1stFlrSF", "TotalBsmtSF"]:
    df[c] = np.log1p(df[c])  # SAFE: areas are >= 0
    test[c] = np.log1p(test[c])  # SAFE: same

# ratio features
df["BsmtRatio"] = df["BsmtFinSF1"] / df["TotalBsmtSF"]  # BUG: div-zero, houses without a basement have 0 there, gives NaN inputs
df["BathPerRoom"] = df["FullBath"] / (df["TotRmsAbvGrd"] + 1)  # SAFE: room count + 1
test["BsmtRatio"] = test["BsmtFinSF1"] / test["TotalBsmtSF"]
test["BathPerRoom"] = test["FullBath"] / (test["TotRmsAbvGrd"] + 1)  # SAFE: room count + 1
num_cols += ["BsmtRatio", "BathPerRoom"]

all_df = pd.concat([df, test], axis=0)
dummies = pd.get_dummies(all_df[cat_cols].fillna("NA")).astype("float32")

means = df[num_cols].mean()
stds = df[num_cols].std().replace(0, 1)
X_num = (df[num_cols] - means) / stds  # SAFE: zero deviations replaced by one
X = np.concatenate([X_num.values, dummies.values[: len(df)]], axis=1).astype("float32")

X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=42)


def rmse(y_true, y_pred):
    return K.sqrt(K.mean(K.square(y_pred - y_true)))  # MAYBE: gradient is NaN only when a whole batch is fitted exactly, hardly with these prices


def rmse_metric(y_true, y_pred):
    return tf.sqrt(tf.reduce_mean(tf.square(y_pred - y_true)))  # SAFE: only a metric, no gradient


def mape_pct(y_true, y_pred):
    diff = tf.abs((y_true - y_pred) / K.clip(tf.abs(y_true), K.epsilon(), None))  # SAFE: clipped denominator
    return 100.0 * tf.reduce_mean(diff)


def r2(y_true, y_pred):
    ss_res = K.sum(K.square(y_true - y_pred))
    ss_tot = K.sum(K.square(y_true - K.mean(y_true)))
    return 1 - ss_res / (ss_tot + K.epsilon())  # SAFE: metric with epsilon


def build(n_in, width=256, drop=0.2):
    m = Sequential()
    m.add(Input(shape=(n_in,)))
    m.add(Dense(width, activation="relu"))
    m.add(BatchNormalization())
    m.add(Dropout(drop))
    m.add(Dense(width // 2, activation="relu"))  # SAFE: integer sizes
    m.add(Dropout(drop))
    m.add(Dense(1))
    return m


model = build(X.shape[1])
model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=1e-3), loss=rmse, metrics=["mae", rmse_metric, mape_pct, r2])
hist = model.fit(
    X_train, y_train,
    epochs=200, batch_size=32,
    validation_data=(X_val, y_val),
    callbacks=[EarlyStopping(patience=15, restore_best_weights=True), ReduceLROnPlateau(factor=0.5, patience=5)],
    verbose=2,
)

# cross val with the plain loss, averaged
scores = []
for k, (tr, va) in enumerate(KFold(5, shuffle=True, random_state=0).split(X)):
    m = build(X.shape[1], width=128)
    m.compile(optimizer="adam", loss="mse")  # SAFE: linear output with mse
    m.fit(X[tr], y[tr], epochs=60, batch_size=32, verbose=0)
    mse = m.evaluate(X[va], y[va], verbose=0)
    scores.append(np.sqrt(mse))  # SAFE: numpy, no gradient
    print("fold", k, scores[-1])
print("cv", sum(scores) / len(scores))  # SAFE: five folds

T_num = (test[num_cols] - means) / stds  # SAFE: as above
T = np.concatenate([T_num.values, dummies.values[len(df):]], axis=1).astype("float32")
pred = np.expm1(model.predict(T).ravel())  # SAFE: after training, log prices near 12
pd.DataFrame({"Id": test["Id"], "SalePrice": pred}).to_csv("submission.csv", index=False)
