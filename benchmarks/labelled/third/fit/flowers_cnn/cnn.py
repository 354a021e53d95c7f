from tensorflow import keras
from tensorflow.keras import layers

import config


def build():
    h, w = config.IMAGE["size"]
    model = keras.Sequential([keras.Input((h, w, config.IMAGE["channels"]))])
    for n in (32, 64, 128):
        model.add(layers.Conv2D(n, 3, activation="relu", kernel_initializer="he_uniform"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dropout(0.3))
    model.add(layers.Dense(len(config.CLASSES)))
    return model


def make_optimizer():
    t = config.TRAIN
    if t["optimizer"] == "sgd":
        return keras.optimizers.SGD(t["lr"], momentum=t["momentum"])  # MAYBE: 0.01 with momentum is usual for this network, but only on scaled images
    return keras.optimizers.Adam(t["lr"] * 0.1)


def compile_model(model):
    model.compile(make_optimizer(),
                  loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.TRAIN["label_smoothing"]),  # SAFE: the last Dense has no activation
                  metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(2, name="top2")])
    return model
