"""ArcFace / CosFace / SphereFace heads on CIFAR-100, tf.keras."""
import argparse
import math

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import backend as K
from tensorflow.keras import layers, regularizers


class UnitColumns(keras.constraints.Constraint):
    def __call__(self, w):
        return w / (tf.sqrt(tf.reduce_sum(tf.square(w), axis=0, keepdims=True)) + K.epsilon())  # SAFE: epsilon is added, and a constraint is applied outside of the gradient


class MarginHead(layers.Layer):
    """Returns s * cos(theta + m) for the true class and s * cos(theta) for the others."""

    def __init__(self, n_classes, s=30.0, m=0.5, mode='arc', regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.n_classes = n_classes
        self.s = s
        self.m = m
        self.mode = mode
        self.regularizer = regularizers.get(regularizer)

    def build(self, input_shape):
        self.W = self.add_weight(name='W', shape=(input_shape[0][-1], self.n_classes),
                                 initializer='glorot_uniform', regularizer=self.regularizer,
                                 constraint=UnitColumns())

    def call(self, inputs):
        x, y = inputs
        x = tf.math.l2_normalize(x, axis=1)  # SAFE: l2_normalize bounds the squared norm from below by 1e-12
        W = tf.math.l2_normalize(self.W, axis=0)
        cos = x @ W
        if self.mode == 'cos':
            target = cos - self.m
        elif self.mode == 'easy':
            sin = tf.sqrt(tf.maximum(1.0 - tf.square(cos), 1e-9))  # SAFE: the root is taken of at least 1e-9, below that maximum passes no gradient
            target = cos * math.cos(self.m) - sin * math.sin(self.m)
        else:
            theta = tf.acos(K.clip(cos, -1.0 + K.epsilon(), 1.0 - K.epsilon()))  # SAFE: 1 - 1e-7 rounds to 1 - 2^-23 in float32, below 1, so acos has a finite slope
            target = tf.cos(theta + self.m)
        logits = cos * (1 - y) + target * y
        return logits * self.s

    def get_config(self):
        config = super().get_config()
        config.update(n_classes=self.n_classes, s=self.s, m=self.m, mode=self.mode)
        return config


def residual(x, filters, stride):
    shortcut = x
    y = layers.Conv2D(filters, 3, strides=stride, padding='same', use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters, 3, padding='same', use_bias=False)(y)
    y = layers.BatchNormalization(gamma_initializer='zeros')(y)
    if stride != 1 or x.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(x)
        shortcut = layers.BatchNormalization()(shortcut)
    return layers.ReLU()(layers.Add()([y, shortcut]))


def generalised_mean(x, p=3.0):
    x = K.maximum(x, 1e-6)
    return K.pow(K.mean(K.pow(x, p), axis=(1, 2)), 1.0 / p)  # SAFE: the mean of cubes of numbers >= 1e-6 is at least 1e-18, the slope of the root stays finite


def build(n_classes, mode, s, m, dim=64):
    image = keras.Input((32, 32, 3))
    label = keras.Input((n_classes,))
    x = layers.Rescaling(1 / 64.0, offset=-1.95)(image)
    x = layers.Conv2D(32, 3, padding='same', use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    for filters, stride in ((32, 1), (64, 2), (128, 2)):
        x = residual(x, filters, stride)
    x = layers.Lambda(generalised_mean, output_shape=(128,))(x)
    x = layers.Dense(dim, kernel_regularizer=regularizers.l2(1e-4))(x)
    embedding = layers.BatchNormalization(name='embedding')(x)
    logits = MarginHead(n_classes, s=s, m=m, mode=mode)([embedding, label])
    return keras.Model([image, label], logits), keras.Model(image, embedding)


def focal_ce(gamma):
    def loss(y_true, logits):
        ce = tf.nn.softmax_cross_entropy_with_logits(labels=y_true, logits=logits)
        p = tf.exp(-ce)  # SAFE: the cross entropy is >= 0, exp is at most 1
        return tf.pow(1.0 - p, gamma) * ce  # SAFE: gamma is 2 by default (argument type int, choices 0, 1, 2), the power has a finite slope at 0
    return loss


def feeder(x, y, n_classes, batch_size, training):
    ds = tf.data.Dataset.from_tensor_slices((x, y))
    if training:
        ds = ds.shuffle(10000)

    def pack(image, label):
        image = tf.cast(image, tf.float32)
        if training:
            image = tf.image.random_flip_left_right(image)
            image = tf.image.random_crop(tf.image.pad_to_bounding_box(image, 4, 4, 40, 40), (32, 32, 3))
        onehot = tf.one_hot(tf.squeeze(label, -1), n_classes)
        return (image, onehot), onehot
    return ds.map(pack).batch(batch_size).prefetch(2)


def nearest_neighbour_accuracy(encoder, x, y):
    e = encoder.predict(x.astype('float32'), batch_size=256, verbose=0)
    e = e / np.maximum(np.linalg.norm(e, axis=1, keepdims=True), 1e-10)  # SAFE: the norm is bounded from below
    sim = e @ e.T
    np.fill_diagonal(sim, -np.inf)  # SAFE: only used by argmax, evaluation
    return float(np.mean(y.ravel()[sim.argmax(axis=1)] == y.ravel()))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--mode', choices=['arc', 'cos', 'easy'], default='arc')
    p.add_argument('--s', type=float, default=30.0)
    p.add_argument('--m', type=float, default=0.3)
    p.add_argument('--gamma', type=int, choices=[0, 1, 2], default=2)
    p.add_argument('--epochs', type=int, default=60)
    p.add_argument('--batch', type=int, default=128)
    args = p.parse_args()
    (x_tr, y_tr), (x_te, y_te) = keras.datasets.cifar100.load_data()
    model, encoder = build(100, args.mode, args.s, args.m)
    steps = len(x_tr) // args.batch * args.epochs
    schedule = keras.optimizers.schedules.CosineDecay(0.05, steps)
    model.compile(optimizer=keras.optimizers.SGD(schedule, momentum=0.9, clipnorm=5.0),
                  loss=focal_ce(args.gamma) if args.gamma else keras.losses.CategoricalCrossentropy(from_logits=True),  # SAFE: the margin head has no softmax
                  metrics=['accuracy'])
    model.fit(feeder(x_tr, y_tr, 100, args.batch, True), epochs=args.epochs,
              validation_data=feeder(x_te, y_te, 100, args.batch, False))
    print('1-nn', nearest_neighbour_accuracy(encoder, x_te[:2000], y_te[:2000]))


if __name__ == '__main__':
    main()
