import keras
from keras import layers

from blocks import ChannelNorm32, ResponseNorm, RowAttention, SqueezeGate
from conf import CFG


def stage(x, f, stride):
    x = layers.Conv2D(f, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(epsilon=CFG.norm_eps)(x)  # SAFE: keras computes the batch statistics in float32 and 1e-3 fits half anyway
    x = layers.ReLU()(x)
    x = layers.Conv2D(f, 3, padding="same")(x)
    x = layers.ReLU()(x)
    return SqueezeGate()(ResponseNorm()(x))


def build_lane_net():
    keras.mixed_precision.set_dtype_policy(CFG.dtype_policy)
    img = keras.Input((CFG.height, CFG.width, 3), name="image")
    valid = keras.Input((CFG.height // 4, CFG.width // 4), name="valid")
    x = stage(img, CFG.base, 2)
    x = stage(x, CFG.base * 2, 2)
    x = RowAttention(CFG.base * 2)(x, valid)
    x = ChannelNorm32()(x)
    x = layers.Conv2DTranspose(CFG.base, 4, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(CFG.base, 4, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(CFG.classes, 1)(x)
    prob = layers.Activation("softmax", dtype="float32", name="prob")(x)
    prob = layers.Reshape((CFG.height * CFG.width, CFG.classes), dtype="float32")(prob)
    return keras.Model([img, valid], prob)
