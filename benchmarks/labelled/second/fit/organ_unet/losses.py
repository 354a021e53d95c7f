from tensorflow import keras
from tensorflow.keras import backend as K
import tensorflow as tf

AXES = (1, 2)


def dice_coef(y_true, y_pred, smooth=1.0):
    intersection = K.sum(y_true * y_pred, axis=AXES)
    total = K.sum(y_true, axis=AXES) + K.sum(y_pred, axis=AXES)
    return K.mean((2. * intersection + smooth) / (total + smooth))  # SAFE: smooth is 1 in the configuration, total >= 0


def dice_loss(smooth):
    def loss(y_true, y_pred):
        return 1. - dice_coef(y_true, y_pred, smooth)
    return loss


def tversky_loss(beta, smooth):
    def loss(y_true, y_pred):
        tp = K.sum(y_true * y_pred, axis=AXES)
        fn = K.sum(y_true * (1. - y_pred), axis=AXES)
        fp = K.sum((1. - y_true) * y_pred, axis=AXES)
        index = (tp + smooth) / (tp + beta * fn + (1. - beta) * fp + smooth)  # SAFE: all terms >= 0 and smooth is 1
        return K.mean(K.pow(tf.maximum(1. - index, 1e-6), 0.75))  # SAFE: the base is bounded from below, so the power 0.75 has a finite slope
    return loss


def focal_loss(gamma):
    def loss(y_true, y_pred):
        p = K.clip(y_pred, K.epsilon(), 1. - K.epsilon())
        ce = -y_true * K.log(p)  # SAFE: clipped to [1e-7, 1 - 1e-7]
        return K.mean(K.sum(K.pow(1. - p, gamma) * ce, axis=-1))
    return loss


def generalized_dice_loss(y_true, y_pred):
    """Sudre et al. 2017, every class weighted with the inverse of its squared volume."""
    volume = K.sum(y_true, axis=(0, 1, 2))
    weights = 1. / K.square(volume)  # BUG: div-zero, a batch without one of the organs has volume 0 and weight Inf, the ratio is NaN
    intersection = K.sum(weights * K.sum(y_true * y_pred, axis=(0, 1, 2)))
    union = K.sum(weights * K.sum(y_true + y_pred, axis=(0, 1, 2)))
    return 1. - 2. * intersection / (union + K.epsilon())


def gdl_ce(y_true, y_pred):
    ce = keras.losses.categorical_crossentropy(y_true, y_pred)  # SAFE: keras renormalises and clips probabilities before its log
    return generalized_dice_loss(y_true, y_pred) + K.mean(ce)


def class_dice(index, name):
    def metric(y_true, y_pred):
        hard = tf.one_hot(tf.argmax(y_pred, axis=-1), tf.shape(y_pred)[-1])
        both = tf.reduce_sum(y_true[..., index] * hard[..., index])
        size = tf.reduce_sum(y_true[..., index]) + tf.reduce_sum(hard[..., index])
        return tf.math.divide_no_nan(2. * both, size)  # SAFE: divide_no_nan gives 0 for an absent organ
    metric.__name__ = 'dice_' + name.replace(' ', '_')
    return metric


def get_loss(config):
    table = {
        'ce': 'categorical_crossentropy',
        'dice': dice_loss(config['smooth']),
        'tversky': tversky_loss(config['tversky_beta'], config['smooth']),
        'focal': focal_loss(config['focal_gamma']),
        'gdl': generalized_dice_loss,
        'gdl_ce': gdl_ce,
    }
    return table[config['loss']]
