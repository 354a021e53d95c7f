"""House Prices: Advanced Regression Techniques -- simple keras net.

The leaderboard metric is RMSLE so I train directly on it.
"""
import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import backend as K
from tensorflow.keras import layers, regularizers

SEED = 42
np.random.seed(SEED)
tf.random.set_seed(SEED)

TRAIN_CSV = '../input/house-prices-advanced-regression-techniques/train.csv'
TEST_CSV = '../input/house-prices-advanced-regression-techniques/test.csv'
SKEW_LIMIT = 0.75


def load(train_csv=TRAIN_CSV, test_csv=TEST_CSV):
    train = pd.read_csv(train_csv, index_col='Id')
    test = pd.read_csv(test_csv, index_col='Id')
    train = train[train['GrLivArea'] < 4500]
    return train, test


def fill_missing(df):
    for col in df.columns:
        if not pd.api.types.is_numeric_dtype(df[col]):
            df[col] = df[col].fillna('None')
        else:
            df[col] = df[col].fillna(df[col].median())
    return df


def add_features(df):
    df['TotalSF'] = df['TotalBsmtSF'] + df['1stFlrSF'] + df['2ndFlrSF']
    df['BathPerRoom'] = (df['FullBath'] + 0.5 * df['HalfBath']) / (df['TotRmsAbvGrd'] + 1)  # SAFE: number of rooms is >= 0, the denominator is >= 1
    df['LogLot'] = np.log(df['LotArea'].clip(lower=1))  # SAFE: clipped from below at 1
    return df


def skewed_columns(df, limit=SKEW_LIMIT):
    numeric = df.select_dtypes(include=[np.number])
    skews = numeric.skew()
    # only columns without negative numbers
    return [c for c in skews[skews > limit].index if numeric[c].min() >= 0]


def prepare(train, test):
    y = train.pop('SalePrice').astype('float32').values
    n_train = len(train)
    full = fill_missing(pd.concat([train, test]))
    full = add_features(full)
    for col in skewed_columns(full):
        full[col] = np.log1p(full[col])  # SAFE: skewed_columns only returns columns with min >= 0
    full = pd.get_dummies(full)
    full = full.astype('float32')
    mu = full[:n_train].mean()
    sd = full[:n_train].std().replace(0, 1)
    full = (full - mu) / sd  # SAFE: zero deviations are replaced by 1 in the line before
    return full[:n_train].values, y, full[n_train:].values


def rmsle(y_true, y_pred):
    first_log = K.log(y_pred + 1.)  # BUG: domain, the net ends in a linear unit, y_pred below -1 gives NaN
    second_log = K.log(y_true + 1.)  # SAFE: sale prices are positive dollars
    return K.sqrt(K.mean(K.square(first_log - second_log), axis=-1) + K.epsilon())  # SAFE: epsilon is under the root


def rmse_dollars(y_true, y_pred):
    return K.sqrt(K.mean(K.square(y_pred - y_true)))  # SAFE: only a metric, no gradient is taken through this root


def build(n_features, width=256, l2=1e-4):
    inputs = keras.Input(shape=(n_features,))
    x = layers.Dense(width, activation='relu', kernel_regularizer=regularizers.l2(l2))(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Dense(width // 2, activation='relu', kernel_regularizer=regularizers.l2(l2))(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(32, activation='relu')(x)
    outputs = layers.Dense(1)(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=1e-3), loss=rmsle, metrics=[rmse_dollars])
    return model


def kfold(n, k, rng):
    idx = rng.permutation(n)
    for part in np.array_split(idx, k):
        mask = np.ones(n, dtype=bool)
        mask[part] = False
        yield np.where(mask)[0], part


def cross_validate(X, y, X_test, k=5, epochs=200, batch_size=64):
    scores = []
    test_pred = np.zeros(len(X_test))
    rng = np.random.RandomState(SEED)
    for fold, (tr, va) in enumerate(kfold(len(X), k, rng)):
        model = build(X.shape[1])
        stop = keras.callbacks.EarlyStopping(monitor='val_loss', patience=20, restore_best_weights=True)
        model.fit(X[tr], y[tr], validation_data=(X[va], y[va]), epochs=epochs,
                  batch_size=batch_size, callbacks=[stop], verbose=0)
        pred = np.maximum(model.predict(X[va], verbose=0).ravel(), 0)
        score = np.sqrt(np.mean((np.log1p(pred) - np.log1p(y[va])) ** 2))  # SAFE: pred is cut at 0 and prices are positive
        print('fold', fold, 'rmsle', score)
        scores.append(score)
        test_pred += model.predict(X_test, verbose=0).ravel() / k
    print('cv mean %.5f std %.5f' % (np.mean(scores), np.std(scores)))
    return test_pred


if __name__ == '__main__':
    train_df, test_df = load()
    test_ids = test_df.index
    X, y, X_test = prepare(train_df, test_df)
    pred = cross_validate(X, y, X_test)
    pd.DataFrame({'Id': test_ids, 'SalePrice': pred}).to_csv('submission.csv', index=False)
