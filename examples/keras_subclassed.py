"""Flowers: a subclassed Keras model with a loss of its own."""

import numpy as np
import tensorflow as tf
from tensorflow.keras import backend as K


class FlowerModel(tf.keras.Model):
    def __init__(self, units=16, classes=3):
        super().__init__()
        self.hidden = tf.keras.layers.Dense(units, activation="relu")
        self.outputs = tf.keras.layers.Dense(classes, activation="softmax")

    def call(self, inputs):
        return self.outputs(self.hidden(inputs))


def focal_loss(y_true, y_pred):
    """Cross entropy in which easy flowers count less."""
    weight = K.square(1.0 - y_pred)
    return -K.mean(K.sum(weight * y_true * K.log(y_pred), axis=-1))


class Gate(tf.keras.Model):
    """Is it a flower at all?"""

    def __init__(self):
        super().__init__()
        self.score = tf.keras.layers.Dense(1, activation="sigmoid")

    def call(self, inputs):
        return self.score(inputs)


rng = np.random.default_rng(1)
measured = rng.normal(size=(150, 4)).astype("float32")
species = np.eye(3, dtype="float32")[rng.integers(0, 3, size=150)]
is_flower = rng.integers(0, 2, size=(150, 1)).astype("float32")

flowers = FlowerModel()
flowers.compile(optimizer="adam", loss=focal_loss)
flowers.fit(measured, species, epochs=2, verbose=0)

gate = Gate()
gate.compile(optimizer="sgd", loss=tf.keras.losses.BinaryCrossentropy(from_logits=True))
gate.fit(measured, is_flower, epochs=2, verbose=0)

# The second try: squared error looked smoother.
gate = Gate()
gate.compile(optimizer="sgd", loss="mse")
gate.fit(measured, is_flower, epochs=2, verbose=0)
