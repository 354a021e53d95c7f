# Time series forecasting of household power consumption with LSTM
# UCI individual household electric power consumption
import math

import numpy as np
import pandas as pd
from sklearn.metrics import mean_squared_error
from sklearn.preprocessing import MinMaxScaler
from tensorflow.keras import backend as K
from tensorflow.keras.callbacks import EarlyStopping, LearningRateScheduler
from tensorflow.keras.layers import LSTM, Dense, Dropout, Input
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import Adam

LOOK_BACK = 24
COLUMNS = ['Global_active_power', 'Global_reactive_power', 'Voltage', 'Global_intensity']


def read_csv(path='household_power_consumption.txt'):
    df = pd.read_csv(path, sep=';', na_values=['nan', '?'], low_memory=False)
    df.index = pd.to_datetime(df.pop('Date') + ' ' + df.pop('Time'), dayfirst=True)
    df = df[COLUMNS].astype('float64')
    df = df.fillna(df.mean())
    return df.resample('h').mean().ffill()


def add_calendar(df):
    hour = df.index.hour
    df['hour_sin'] = np.sin(2 * np.pi * hour / 24.0)
    df['hour_cos'] = np.cos(2 * np.pi * hour / 24.0)
    df['change'] = df['Global_active_power'].pct_change().replace([np.inf, -np.inf], np.nan).fillna(0)  # SAFE: infinite changes are replaced and filled
    return df


def series_to_supervised(values, look_back=LOOK_BACK):
    X, y = [], []
    for i in range(len(values) - look_back):
        X.append(values[i:i + look_back])
        y.append(values[i + look_back, 0])
    return np.array(X, dtype='float32'), np.array(y, dtype='float32')


def scale(df):
    scaler = MinMaxScaler(feature_range=(0, 1))
    scaled = scaler.fit_transform(df.values)  # SAFE: sklearn replaces a zero range of a constant column by 1
    return scaled, scaler


def mape_loss(y_true, y_pred):
    return K.mean(K.abs((y_true - y_pred) / y_true)) * 100.  # BUG: div-zero, targets went through MinMaxScaler, the smallest one is exactly 0


def smape(y_true, y_pred):
    return K.mean(2. * K.abs(y_true - y_pred) / (K.abs(y_true) + K.abs(y_pred) + 0.01)) * 100.  # SAFE: 0.01 is added to absolute values


def r2(y_true, y_pred):
    ss_res = K.sum(K.square(y_true - y_pred))
    ss_tot = K.sum(K.square(y_true - K.mean(y_true)))
    return 1 - ss_res / (ss_tot + K.epsilon())  # SAFE: squares are >= 0 and epsilon is added


def step_decay(epoch, lr=None):
    initial, drop, every = 0.001, 0.5, 10.0
    return initial * math.pow(drop, math.floor((1 + epoch) / every))


def build_model(n_features, look_back=LOOK_BACK):
    model = Sequential([
        Input((look_back, n_features)),
        LSTM(64, return_sequences=True),
        Dropout(0.2),
        LSTM(32),
        Dropout(0.2),
        Dense(1),
    ])
    model.compile(loss=mape_loss, optimizer=Adam(0.001), metrics=['mae', smape, r2])
    return model


def invert(scaler, column, n_features):
    full = np.zeros((len(column), n_features))
    full[:, 0] = column
    return scaler.inverse_transform(full)[:, 0]


def main():
    df = add_calendar(read_csv())
    scaled, scaler = scale(df)
    X, y = series_to_supervised(scaled)
    n_train = int(len(X) * 0.8)
    model = build_model(X.shape[2])
    history = model.fit(X[:n_train], y[:n_train], epochs=50, batch_size=72, shuffle=False,
                        validation_data=(X[n_train:], y[n_train:]),
                        callbacks=[EarlyStopping(patience=8), LearningRateScheduler(step_decay)])
    print('last val_loss', history.history['val_loss'][-1])

    yhat = model.predict(X[n_train:]).ravel()
    inv_yhat = invert(scaler, yhat, X.shape[2])
    inv_y = invert(scaler, y[n_train:], X.shape[2])
    rmse = np.sqrt(mean_squared_error(inv_y, inv_yhat))  # SAFE: mean of squares, evaluated in numpy without a gradient
    naive = np.sqrt(np.mean((inv_y[1:] - inv_y[:-1]) ** 2))
    print('Test RMSE: %.3f  relative to persistence: %.3f' % (rmse, rmse / max(naive, 1e-9)))  # SAFE: bounded from below by 1e-9


if __name__ == '__main__':
    main()
