from tensorflow import keras
from tensorflow.keras import layers

from settings import HEADS, IMAGE_SIZE


def trunk(inputs):
    x = inputs
    for filters in (16, 32, 64, 96):
        x = layers.Conv2D(filters, 3, padding='same')(x)
        x = layers.Activation('relu')(x)
        x = layers.BatchNormalization(axis=-1)(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(0.25)(x)
    return layers.GlobalAveragePooling2D()(x)


def branch(x, name, units, activation):
    x = layers.Dense(128, activation='relu')(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(x)
    return layers.Dense(units, activation=activation, name=name)(x)


def build_model():
    inputs = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    features = trunk(inputs)
    outputs = {name: branch(features, name, h['units'], h['activation']) for name, h in HEADS.items()}
    return keras.Model(inputs, outputs, name='face_attributes')
