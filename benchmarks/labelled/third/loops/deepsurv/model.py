import tensorflow as tf


def deepsurv(n_features, hidden=(64, 64), dropout=0.2, l2=1e-4, outputs=1):
    reg = tf.keras.regularizers.l2(l2)
    x = inp = tf.keras.layers.Input((n_features,))
    for h in hidden:
        x = tf.keras.layers.Dense(h, activation="selu", kernel_initializer="lecun_normal", kernel_regularizer=reg)(x)
        x = tf.keras.layers.AlphaDropout(dropout)(x)
    out = tf.keras.layers.Dense(outputs, use_bias=outputs > 1)(x)
    return tf.keras.Model(inp, out)


def breslow_baseline(risk, t, events):
    """numpy baseline hazard for prediction"""
    import numpy as np
    order = np.argsort(t)
    r = np.exp(np.clip(risk[order], -20, 20))  # SAFE: clipped
    at_risk = np.cumsum(r[::-1])[::-1]
    h = events[order] / at_risk  # SAFE: sums of positive numbers, every at_risk >= exp(-20)
    return t[order], np.cumsum(h)
