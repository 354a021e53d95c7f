import numpy as np
import pandas as pd

from columns import CATEGORICAL, CONTINUOUS, CROSSES, EMBEDDED, LABEL, NAMES


def read(train_path, test_path):
    train = pd.read_csv(train_path, names=NAMES, skipinitialspace=True)
    test = pd.read_csv(test_path, names=NAMES, skipinitialspace=True, skiprows=1)
    return train, test


class Normaliser:
    """Zero mean, unit variance with the statistics of the training rows."""

    def fit(self, values):
        self.mean = values.mean(axis=0)
        self.std = values.std(axis=0)
        return self

    def transform(self, values):
        return ((values - self.mean) / self.std).astype('float32')  # BUG: div-zero, the dummies are made on train and test together, a category missing in train has std 0


def log_money(df):
    for col in ('capital_gain', 'capital_loss'):
        df[col] = np.log1p(df[col].clip(lower=0))  # SAFE: clipped at 0 first
    return df


def add_ratios(df):
    df['gain_per_hour'] = df['capital_gain'] / df['hours_per_week'].clip(lower=1)  # SAFE: hours are at least 1 after the clip
    return df


def encode_ids(full, col):
    codes = full[col].astype('category').cat.codes
    return codes.values.astype('int32') + 1, int(codes.max()) + 2


def prepare(train, test):
    n_train = len(train)
    full = pd.concat([train, test], ignore_index=True)
    y = full[LABEL].str.contains('>50K').astype('float32').values
    full = add_ratios(log_money(full))

    crossed = [full[a].astype(str) + '_' + full[b].astype(str) for a, b in CROSSES]
    wide = pd.get_dummies(full[CATEGORICAL])
    for (a, b), c in zip(CROSSES, crossed):
        top = c.value_counts().index[:100]
        wide = pd.concat([wide, pd.get_dummies(c.where(c.isin(top), 'other'), prefix=a + 'X' + b)], axis=1)
    wide = wide.values.astype('float32')

    ids = {col: encode_ids(full, col) for col in EMBEDDED}
    numeric = full[CONTINUOUS + ['gain_per_hour']].values.astype('float32')

    norm_wide = Normaliser().fit(wide[:n_train])
    norm_num = Normaliser().fit(numeric[:n_train])
    inputs = {'wide': norm_wide.transform(wide), 'numeric': norm_num.transform(numeric)}
    inputs.update({col: v[0] for col, v in ids.items()})
    sizes = {col: v[1] for col, v in ids.items()}
    return inputs, y, sizes, n_train


def split(inputs, y, n_train):
    first = {k: v[:n_train] for k, v in inputs.items()}
    second = {k: v[n_train:] for k, v in inputs.items()}
    return (first, y[:n_train]), (second, y[n_train:])


def balanced_weights(y):
    pos = y.sum()
    neg = len(y) - pos
    if pos == 0 or neg == 0:
        return None
    return {0: len(y) / (2.0 * neg), 1: len(y) / (2.0 * pos)}  # SAFE: both counts are checked one line above
