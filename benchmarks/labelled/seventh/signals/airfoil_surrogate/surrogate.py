import keras
import numpy as np
import tensorflow as tf

import spec


class MinMax(keras.layers.Layer):
    """Fixed scaling to [-1, 1] from the ranges of the design space."""

    def __init__(self, **kw):
        super().__init__(**kw)
        lo = np.array([r[0] for _, _, r in spec.INPUTS], np.float32)
        hi = np.array([r[1] for _, _, r in spec.INPUTS], np.float32)
        self.lo = lo
        self.span = hi - lo

    def call(self, x):
        return 2.0 * (x - self.lo) / self.span - 1.0  # SAFE: every range in spec.INPUTS has hi > lo


def dense_stack(x, preset):
    for n in preset["hidden"]:
        x = keras.layers.Dense(n, activation=preset["activation"], kernel_initializer=preset["kernel_init"])(x)  # BUG: init, the default preset "standard" uses zeros for all three hidden kernels: activations and slopes are 0 and the kernels never move
    return x


def build(preset_name):
    preset = spec.PRESETS[preset_name]
    inp = keras.Input((len(spec.INPUTS),))
    if preset_name == "small":
        x = keras.layers.Dense(32, activation="relu")(inp)  # BUG: raw-data, Reynolds numbers of 1e6 and pressures in Pa enter the layer unscaled and SGD diverges
        x = keras.layers.Dense(32, activation="relu")(x)
    else:
        x = dense_stack(MinMax()(inp), preset)
    return keras.Model(inp, keras.layers.Dense(len(spec.OUTPUTS))(x), name=preset_name)


def optimizer(preset_name):
    kind, lr = spec.PRESETS[preset_name]["optimizer"]
    if kind == "sgd":
        return keras.optimizers.SGD(lr, momentum=0.9)
    return keras.optimizers.Adam(lr)


class AeroLoss(keras.losses.Loss):
    """Squared error on cl and cm, log error on the drag coefficient."""

    def call(self, y_true, y_pred):
        cl = tf.square(y_true[:, 0] - y_pred[:, 0])
        cm = tf.square(y_true[:, 2] - y_pred[:, 2])
        t = tf.math.log(tf.maximum(y_true[:, 1], spec.DRAG_FLOOR))  # SAFE: floored at DRAG_FLOOR 1e-4
        p = tf.math.log(tf.nn.softplus(y_pred[:, 1]) + spec.DRAG_FLOOR)  # SAFE: softplus is >= 0 and 1e-4 is added
        return cl + cm + 0.1 * tf.square(t - p)


def lift_to_drag(pred):
    cd = tf.nn.softplus(pred[:, 1]) + spec.DRAG_FLOOR
    return pred[:, 0] / cd  # SAFE: cd >= 1e-4


def prandtl_glauert(cl, mach):
    m = tf.clip_by_value(mach, 0.0, 0.95)
    return cl * tf.math.rsqrt(1.0 - tf.square(m))  # SAFE: Mach clipped to 0.95, argument >= 0.0975
