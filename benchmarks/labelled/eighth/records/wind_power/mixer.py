from tensorflow import keras
from tensorflow.keras import layers


def block(x, width, dropout):
    time, chan = x.shape[1], x.shape[2]
    h = layers.LayerNormalization()(x)
    h = layers.Permute((2, 1))(h)
    h = layers.Dense(time, activation="gelu")(h)
    h = layers.Permute((2, 1))(h)
    x = layers.Add()([x, layers.Dropout(dropout)(h)])
    h = layers.Dense(width, activation="gelu")(layers.LayerNormalization()(x))
    h = layers.Dense(chan)(h)
    return layers.Add()([x, layers.Dropout(dropout)(h)])


def build(past, ahead, n_feat, width, depth, dropout):
    inp = keras.Input((past, n_feat))
    x = layers.Dense(width)(inp)
    for _ in range(depth):
        x = block(x, width, dropout)
    x = layers.LayerNormalization()(x)
    x = layers.Permute((2, 1))(x)
    x = layers.Dense(ahead)(x)
    x = layers.Permute((2, 1))(x)
    out = layers.Flatten()(layers.Dense(1)(x))
    return keras.Model(inp, out)


def scaled_rate(cfg):
    """Linear scaling rule of Goyal et al. 2017."""
    return cfg["base_lr"] * cfg["batch"] / cfg["base_batch"]  # SAFE: base_batch is 32 in run.yaml
