import math

from tensorflow import keras
from tensorflow.keras import layers


def wide_deep(n_wide, n_numeric, sizes, hidden=(100, 50)):
    wide = keras.Input((n_wide,), name='wide')
    numeric = keras.Input((n_numeric,), name='numeric')
    inputs, parts = [wide, numeric], [numeric]
    for col, size in sizes.items():
        inp = keras.Input((1,), dtype='int32', name=col)
        dim = min(32, int(math.ceil(6 * size ** 0.25)))
        parts.append(layers.Flatten()(layers.Embedding(size, dim)(inp)))
        inputs.append(inp)
    deep = layers.Concatenate()(parts)
    for units in hidden:
        deep = layers.Dense(units, activation='relu')(deep)
        deep = layers.BatchNormalization()(deep)
    joined = layers.Concatenate()([wide, deep])
    out = layers.Dense(1, activation='sigmoid')(joined)
    model = keras.Model(inputs, out)
    model.compile(optimizer=keras.optimizers.Adam(1e-3),
                  loss='binary_crossentropy',  # SAFE: one sigmoid unit and 0/1 labels, keras takes the stable form
                  metrics=['accuracy', keras.metrics.AUC(name='auc')])
    return model
