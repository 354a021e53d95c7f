"""Knowledge distillation on CIFAR-10: KL at a temperature, plus attention transfer (Keras 3)."""
import argparse

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def convnet(widths, n_classes=10, name=None):
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    maps = []
    for w in widths:
        x = layers.Conv2D(w, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        maps.append(x)
    x = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(n_classes, name="logits")(x)
    return keras.Model(inputs, [logits, *maps], name=name)


def attention_map(x):
    a = ops.reshape(ops.mean(ops.square(x), axis=-1), (ops.shape(x)[0], -1))
    return a / ops.sqrt(ops.sum(ops.square(a), axis=1, keepdims=True) + 1e-6)  # SAFE: 1e-6 is under the root


def soft_kl(teacher_logits, student_logits, temperature):
    log_t = ops.log_softmax(teacher_logits / temperature, axis=-1)
    log_s = ops.log_softmax(student_logits / temperature, axis=-1)
    kl = ops.sum(ops.exp(log_t) * (log_t - log_s), axis=-1)  # SAFE: log_softmax is finite and at most 0, exp is at most 1
    return ops.mean(kl) * temperature ** 2


def entropy_weight(logits):
    p = ops.softmax(logits, axis=-1)
    h = -ops.sum(p * ops.log(ops.maximum(p, 1e-8)), axis=-1)  # SAFE: the probability is bounded from below before the log
    return 1.0 - h / float(np.log(logits.shape[-1]))  # SAFE: ten classes, log 10


class Distiller(keras.Model):
    def __init__(self, student, teacher, temperature=4.0, alpha=0.1, attention=50.0, **kwargs):
        super().__init__(**kwargs)
        if temperature <= 0:
            raise ValueError("temperature must be positive")
        self.student = student
        self.teacher = teacher
        self.teacher.trainable = False
        self.temperature = temperature
        self.alpha = alpha
        self.attention = attention
        self.hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # SAFE: the networks end in a linear layer
        self.trackers = [keras.metrics.Mean(name=n) for n in ("loss", "hard", "soft", "attention")]
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")

    @property
    def metrics(self):
        return [*self.trackers, self.accuracy]

    def call(self, x, training=False):
        return self.student(x, training=training)[0]

    def losses_of(self, x, y, training):
        t_logits, *t_maps = self.teacher(x, training=False)
        s_logits, *s_maps = self.student(x, training=training)
        hard = self.hard(y, s_logits)
        soft = soft_kl(t_logits / 1.0, s_logits, self.temperature)
        trust = ops.mean(ops.stop_gradient(entropy_weight(t_logits)))
        gaps = [ops.mean(ops.square(attention_map(a) - attention_map(b))) for a, b in zip(t_maps, s_maps)]
        att = sum(gaps) / len(gaps)  # SAFE: the networks have at least one map
        total = self.alpha * hard + (1 - self.alpha) * trust * soft + self.attention * att
        return s_logits, (total, hard, soft, att)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            logits, values = self.losses_of(x, y, True)
        grads = tape.gradient(values[0], self.student.trainable_variables)
        grads, norm = tf.clip_by_global_norm(grads, 5.0)  # SAFE: TensorFlow divides by the maximum of norm and 5
        self.optimizer.apply_gradients(zip(grads, self.student.trainable_variables))
        return self.update(y, logits, values)

    def test_step(self, data):
        x, y = data
        logits, values = self.losses_of(x, y, False)
        return self.update(y, logits, values)

    def update(self, y, logits, values):
        for tracker, value in zip(self.trackers, values):
            tracker.update_state(value)
        self.accuracy.update_state(y, logits)
        return {m.name: m.result() for m in self.metrics}


class LogRatio(keras.callbacks.Callback):
    """Prints the log ratio of the epoch losses."""

    def on_train_begin(self, logs=None):
        self.last = None

    def on_epoch_end(self, epoch, logs=None):
        now = max(float(logs["loss"]), 1e-12)
        if self.last is not None:
            print("  log ratio %.4f" % np.log(now / self.last))  # SAFE: both losses are bounded from below by 1e-12
        self.last = now


def agreement(a, b):
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    denominator = np.sqrt((a ** 2).sum(1) * (b ** 2).sum(1))
    return float(np.mean((a * b).sum(1) / np.where(denominator > 0, denominator, 1.0)))  # SAFE: zeros are replaced by 1 before the division


def train_teacher(teacher, x, y, epochs):
    only_logits = keras.Model(teacher.input, teacher.outputs[0])
    only_logits.compile(optimizer=keras.optimizers.Adam(1e-3),
                        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),  # SAFE: logits come from a linear layer
                        metrics=["accuracy"])
    only_logits.fit(x, y, batch_size=128, epochs=epochs)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--temperature", type=float, default=4.0)
    p.add_argument("--alpha", type=float, default=0.1)
    p.add_argument("--teacher-epochs", type=int, default=20)
    p.add_argument("--epochs", type=int, default=20)
    args = p.parse_args()
    (x, y), (xt, yt) = keras.datasets.cifar10.load_data()
    x, xt = x.astype("float32"), xt.astype("float32")
    teacher = convnet((64, 128, 256), name="teacher")
    train_teacher(teacher, x, y, args.teacher_epochs)
    student = convnet((16, 32, 64), name="student")
    distiller = Distiller(student, teacher, args.temperature, args.alpha)
    distiller.compile(optimizer=keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(
        1e-3, args.epochs * (len(x) // 128)), weight_decay=1e-4))
    distiller.fit(x, y, batch_size=128, epochs=args.epochs, validation_data=(xt, yt), callbacks=[LogRatio()])
    print("agreement", agreement(teacher.predict(xt)[0], student.predict(xt)[0]))


if __name__ == "__main__":
    main()
