"""Fine-tune a pretrained backbone on the flowers data with `image_dataset_from_directory`."""
import argparse
import math
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

AUTOTUNE = tf.data.AUTOTUNE


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warmup_steps, total_steps, floor=0.0):
        super().__init__()
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.floor = floor

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        warm = self.peak * step / tf.maximum(1.0, float(self.warmup_steps))  # SAFE: denominator is at least 1
        span = max(1, self.total_steps - self.warmup_steps)
        t = tf.clip_by_value((step - self.warmup_steps) / span, 0.0, 1.0)  # SAFE: span is at least 1
        cosine = self.floor + 0.5 * (self.peak - self.floor) * (1.0 + tf.cos(math.pi * t))
        return tf.where(step < self.warmup_steps, warm, cosine)

    def get_config(self):
        return {'peak': self.peak, 'warmup_steps': self.warmup_steps,
                'total_steps': self.total_steps, 'floor': self.floor}


def load(directory, size, batch_size, seed=123):
    common = dict(validation_split=0.2, seed=seed, image_size=(size, size), batch_size=batch_size,
                  label_mode='categorical')
    train = keras.utils.image_dataset_from_directory(directory, subset='training', **common)
    val = keras.utils.image_dataset_from_directory(directory, subset='validation', **common)
    names = train.class_names
    return train.prefetch(AUTOTUNE), val.prefetch(AUTOTUNE), names


def mixup(images, labels, alpha=0.2):
    n = tf.shape(images)[0]
    a = tf.random.gamma([n], alpha)
    b = tf.random.gamma([n], alpha)
    lam = a / tf.maximum(a + b, 1e-8)  # SAFE: both gammas may underflow to 0, the sum is bounded from below
    order = tf.random.shuffle(tf.range(n))
    li = lam[:, None, None, None]
    ll = lam[:, None]
    return (images * li + tf.gather(images, order) * (1.0 - li),
            labels * ll + tf.gather(labels, order) * (1.0 - ll))


class TemperatureHead(layers.Layer):
    """Linear classifier with a learned positive temperature."""

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(classes)

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.raw = self.add_weight(shape=(), initializer='zeros', name='temperature')

    def call(self, x):
        temperature = tf.nn.softplus(self.raw) + 0.5
        return self.dense(x) / temperature  # SAFE: softplus + 0.5 is never below 0.5


def build(classes, size, weights='imagenet', dropout=0.3):
    backbone = keras.applications.MobileNetV2(input_shape=(size, size, 3), include_top=False, weights=weights)
    backbone.trainable = False
    inputs = keras.Input((size, size, 3))
    x = layers.RandomFlip('horizontal')(inputs)
    x = layers.RandomRotation(0.1)(x)
    x = layers.Rescaling(1. / 127.5, offset=-1)(x)
    x = backbone(x, training=False)  # SAFE: pixels were rescaled to [-1, 1] by the layer before
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.UnitNormalization()(x)  # SAFE: keras bounds the squared norm from below in UnitNormalization
    x = layers.Dropout(dropout)(x)
    outputs = TemperatureHead(classes, name='head')(x)
    return keras.Model(inputs, outputs), backbone


def compile_model(model, schedule):
    model.compile(
        optimizer=keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),  # SAFE: the head gives logits, softmax is only applied in evaluate
        metrics=['accuracy', keras.metrics.TopKCategoricalAccuracy(k=3)])


def unfreeze(backbone, fraction):
    backbone.trainable = True
    cut = int(len(backbone.layers) * (1 - fraction))
    for i, layer in enumerate(backbone.layers):
        layer.trainable = i >= cut and not isinstance(layer, layers.BatchNormalization)


def evaluate(model, dataset):
    entropies, correct, total = [], 0, 0
    for images, labels in dataset:
        p = tf.nn.softmax(model(images, training=False))
        entropies.append(-tf.reduce_sum(p * tf.math.log(p + 1e-12), axis=-1))  # SAFE: 1e-12 is a normal float32, log stays at -27.6
        correct += int(tf.reduce_sum(tf.cast(tf.argmax(p, -1) == tf.argmax(labels, -1), tf.int32)))
        total += len(images)
    return correct / max(total, 1), float(np.mean(np.concatenate(entropies)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--data', type=pathlib.Path, default='flower_photos')
    p.add_argument('--size', type=int, default=160)
    p.add_argument('--batch', type=int, default=32)
    p.add_argument('--head-epochs', type=int, default=5)
    p.add_argument('--tune-epochs', type=int, default=10)
    p.add_argument('--lr', type=float, default=0.05)
    p.add_argument('--weights', default='imagenet')
    args = p.parse_args()

    train, val, names = load(args.data, args.size, args.batch)
    steps = train.cardinality().numpy()
    train = train.map(mixup, num_parallel_calls=AUTOTUNE)
    model, backbone = build(len(names), args.size, args.weights)
    compile_model(model, WarmupCosine(args.lr, steps, steps * args.head_epochs))
    model.fit(train, validation_data=val, epochs=args.head_epochs)
    unfreeze(backbone, 0.3)
    compile_model(model, WarmupCosine(args.lr / 20, steps, steps * args.tune_epochs))
    model.fit(train, validation_data=val, epochs=args.tune_epochs,
              callbacks=[keras.callbacks.ModelCheckpoint('flowers.keras', save_best_only=True)])
    print('accuracy %.4f entropy %.4f' % evaluate(model, val))


if __name__ == '__main__':
    main()
