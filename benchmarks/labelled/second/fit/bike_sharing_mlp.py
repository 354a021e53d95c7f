# Bike sharing demand (Kaggle) - fully connected net
import json

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

HP = {
    'hidden': [64, 64],
    'dropout': 0.1,
    'batch_size': 32,
    'epochs': 40,
    'optimizer': 'sgd',
    'lr': 0.1,
    'momentum': 0.9,
    'rmse_penalty': 0.0,
}

WEATHER = ['temp', 'atemp', 'humidity', 'windspeed']


def read(path='train.csv'):
    df = pd.read_csv(path, parse_dates=['datetime'])
    df['hour'] = df['datetime'].dt.hour
    df['month'] = df['datetime'].dt.month
    df['weekday'] = df['datetime'].dt.dayofweek
    return df.drop(columns=['datetime', 'casual', 'registered'])


def features(df):
    out = pd.DataFrame(index=df.index)
    for col in WEATHER:
        spread = df[col].max() - df[col].min()
        out[col] = (df[col] - df[col].min()) / (spread if spread > 0 else 1.0)  # SAFE: a constant column divides by 1
    out['hour_sin'] = np.sin(2 * np.pi * df['hour'] / 24)
    out['hour_cos'] = np.cos(2 * np.pi * df['hour'] / 24)
    out['log_wind'] = np.log1p(df['windspeed'].clip(lower=0))  # SAFE: clipped at 0
    out['comfort'] = np.exp(-((df['temp'] - 22.0) / 8.0) ** 2)  # SAFE: the exponent is a negative square
    for col in ('season', 'weather', 'weekday', 'month'):
        out = pd.concat([out, pd.get_dummies(df[col], prefix=col)], axis=1)
    out['holiday'], out['workingday'] = df['holiday'], df['workingday']
    return out.values.astype('float32'), df['count'].values.astype('float32')


def rmse(y_true, y_pred):
    return tf.sqrt(tf.reduce_mean(tf.square(y_true - y_pred)))  # SAFE: used as a metric only, no gradient


def rmsle(y_true, y_pred):
    a = tf.math.log1p(tf.maximum(y_pred, 0.0))  # SAFE: negative predictions are raised to 0
    b = tf.math.log1p(tf.maximum(y_true, 0.0))  # SAFE: counts are >= 0
    return tf.sqrt(tf.reduce_mean(tf.square(a - b)))  # SAFE: used as a metric only, no gradient


def make_optimizer(hp):
    if hp['optimizer'] == 'adam':
        return keras.optimizers.Adam(hp['lr'])
    return keras.optimizers.SGD(learning_rate=hp['lr'], momentum=hp['momentum'])  # BUG: rate, lr 0.1 with momentum 0.9 on the squared error of counts up to 977 diverges to NaN


def build(n_features, hp=HP):
    model = keras.Sequential([keras.Input((n_features,))])
    for units in hp['hidden']:
        model.add(layers.Dense(units, activation='relu'))
        model.add(layers.Dropout(hp['dropout']))
    model.add(layers.Dense(1))
    model.compile(loss='mean_squared_error', optimizer=make_optimizer(hp), metrics=[rmse, rmsle])
    return model


def improvement(history, baseline):
    best = min(history['val_rmse'])
    return 1.0 - best / max(baseline, 1e-6)  # SAFE: the divisor is at least 1e-6


if __name__ == '__main__':
    frame = read()
    X, y = features(frame)
    order = np.random.RandomState(7).permutation(len(X))
    cut = int(0.85 * len(X))
    tr, va = order[:cut], order[cut:]
    model = build(X.shape[1])
    hist = model.fit(X[tr], y[tr], validation_data=(X[va], y[va]), batch_size=HP['batch_size'],
                     epochs=HP['epochs'], callbacks=[keras.callbacks.EarlyStopping(patience=10)])
    baseline = float(np.std(y[va]))
    print('improvement over the mean: %.3f' % improvement(hist.history, baseline))
    with open('bike_history.json', 'w') as f:
        json.dump({k: [float(v) for v in vs] for k, vs in hist.history.items()}, f, indent=1)
    model.save('bike.keras')
