import argparse

import numpy as np
from tensorflow import keras

from model import wide_deep
from preprocess import balanced_weights, prepare, read, split


def log_odds(p):
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(p / (1 - p))  # SAFE: clipped away from 0 and 1


def calibration(p, y, bins=10):
    edges = np.linspace(0, 1, bins + 1)
    which = np.clip(np.digitize(p, edges) - 1, 0, bins - 1)
    error = 0.0
    for b in range(bins):
        rows = which == b
        if not rows.any():
            continue
        error += abs(p[rows].mean() - y[rows].mean()) * rows.sum() / len(p)  # SAFE: empty bins are skipped, p is not empty
    return error


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--train', default='adult.data')
    parser.add_argument('--test', default='adult.test')
    parser.add_argument('--epochs', type=int, default=15)
    parser.add_argument('--balanced', action='store_true')
    args = parser.parse_args()

    inputs, y, sizes, n_train = prepare(*read(args.train, args.test))
    (x_tr, y_tr), (x_te, y_te) = split(inputs, y, n_train)
    model = wide_deep(inputs['wide'].shape[1], inputs['numeric'].shape[1], sizes)
    model.fit(x_tr, y_tr, batch_size=256, epochs=args.epochs, validation_split=0.1,
              class_weight=balanced_weights(y_tr) if args.balanced else None,
              callbacks=[keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)])
    p = model.predict(x_te).ravel()
    print('mean log odds', log_odds(p).mean(), 'ECE', calibration(p, y_te))


if __name__ == '__main__':
    main()
