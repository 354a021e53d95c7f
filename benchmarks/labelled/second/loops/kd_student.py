"""Distil an image classifier into a small student (Hinton loss + attention transfer)."""
import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers


def load_split(root, name):
    with np.load(os.path.join(root, name + ".npz")) as f:
        return f["images"], f["labels"].astype(np.int32)


def channel_stats(images):
    x = images.astype(np.float64) / 255.0
    mean = x.mean(axis=(0, 1, 2))
    std = np.maximum(x.std(axis=(0, 1, 2)), 1e-3)
    return mean.astype(np.float32), std.astype(np.float32)


def pipeline(images, labels, stats, batch, training):
    mean, std = stats

    def prep(img, label):
        img = tf.cast(img, tf.float32) / 255.0
        if training:
            img = tf.image.random_flip_left_right(img)
        return (img - mean) / std, label  # SAFE: std floored at 1e-3 in channel_stats

    ds = tf.data.Dataset.from_tensor_slices((images, labels))
    if training:
        ds = ds.shuffle(len(labels))
    return ds.map(prep, num_parallel_calls=2).batch(batch).prefetch(1)


def mixup(x, y_onehot, alpha):
    n = tf.shape(x)[0]
    if alpha <= 0:
        return x, y_onehot
    a = tf.random.gamma([n], alpha)
    b = tf.random.gamma([n], alpha)
    lam = a / tf.maximum(a + b, 1e-8)  # SAFE: denominator floored
    perm = tf.random.shuffle(tf.range(n))
    li = lam[:, None, None, None]
    lo = lam[:, None]
    return li * x + (1 - li) * tf.gather(x, perm), lo * y_onehot + (1 - lo) * tf.gather(y_onehot, perm)


class Backbone(tf.keras.Model):
    def __init__(self, widths, n_classes):
        super().__init__()
        self.stages = []
        for w in widths:
            self.stages.append(tf.keras.Sequential([
                layers.Conv2D(w, 3, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.MaxPooling2D(),
            ]))
        self.pool = layers.GlobalAveragePooling2D()
        self.head = layers.Dense(n_classes)

    def call(self, x, training=False):
        maps = []
        for stage in self.stages:
            x = stage(x, training=training)
            maps.append(x)
        return self.head(self.pool(x)), maps


def attention_map(fmap):
    a = tf.reduce_mean(tf.square(fmap), axis=-1)
    a = tf.reshape(a, [tf.shape(a)[0], -1])
    return tf.math.l2_normalize(a, axis=1)  # SAFE: epsilon inside l2_normalize covers an all zero ReLU map


def attention_transfer(student_maps, teacher_maps):
    terms = [tf.reduce_mean(tf.square(attention_map(s) - attention_map(t)))
             for s, t in zip(student_maps, teacher_maps)]
    return tf.add_n(terms) / len(terms)  # SAFE: the backbone has at least one stage


def soft_targets(logits, temperature):
    return tf.nn.softmax(logits / temperature)  # SAFE: temperature checked to be positive in the Distiller


def kl_soft(teacher_logits, student_logits, temperature):
    p = soft_targets(teacher_logits, temperature)
    log_p = tf.nn.log_softmax(teacher_logits / temperature)  # SAFE: log_softmax is computed in a stable way
    log_q = tf.nn.log_softmax(student_logits / temperature)
    return tf.reduce_mean(tf.reduce_sum(p * (log_p - log_q), axis=-1)) * temperature ** 2  # SAFE: both logs finite


def relational(student_emb, teacher_emb):
    """Pairwise distance structure, each scaled by its mean distance."""
    def dist(e):
        d2 = tf.reduce_sum(tf.square(e[:, None] - e[None]), axis=-1)
        d = tf.sqrt(d2 + 1e-8)  # SAFE: 1e-8 under the root covers the zero diagonal
        return d / tf.reduce_mean(d)  # SAFE: every distance is at least 1e-4
    return tf.reduce_mean(tf.abs(dist(student_emb) - tf.stop_gradient(dist(teacher_emb))))


class Distiller(tf.keras.Model):
    def __init__(self, student, teacher, n_classes, temperature=4.0, alpha=0.7, at_weight=10.0, mix=0.2):
        super().__init__()
        if temperature <= 0:
            raise ValueError("temperature must be positive")
        self.student, self.teacher = student, teacher
        self.teacher.trainable = False
        self.n_classes, self.temperature = n_classes, temperature
        self.alpha, self.at_weight, self.mix = alpha, at_weight, mix
        self.hard = tf.keras.losses.CategoricalCrossentropy(from_logits=True)  # SAFE: Backbone.head has no activation
        self.loss_metric = tf.keras.metrics.Mean(name="loss")
        self.acc_metric = tf.keras.metrics.SparseCategoricalAccuracy(name="acc")

    @property
    def metrics(self):
        return [self.loss_metric, self.acc_metric]

    def call(self, x, training=False):
        return self.student(x, training=training)[0]

    def train_step(self, data):
        x, y = data
        x, soft_y = mixup(x, tf.one_hot(y, self.n_classes), self.mix)
        t_logits, t_maps = self.teacher(x, training=False)
        with tf.GradientTape() as tape:
            logits, maps = self.student(x, training=True)
            hard = self.hard(soft_y, logits)
            soft = kl_soft(t_logits, logits, self.temperature)
            loss = (1 - self.alpha) * hard + self.alpha * soft
            loss += self.at_weight * attention_transfer(maps, t_maps)
            loss += relational(logits, t_logits)
        grads = tape.gradient(loss, self.student.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.student.trainable_variables))
        self.loss_metric.update_state(loss)
        self.acc_metric.update_state(y, logits)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        logits = self(x, training=False)
        self.loss_metric.update_state(self.hard(tf.one_hot(y, self.n_classes), logits))
        self.acc_metric.update_state(y, logits)
        return {m.name: m.result() for m in self.metrics}


def expected_calibration_error(probs, labels, bins=15):
    conf, hit = probs.max(1), probs.argmax(1) == labels
    idx = np.minimum((conf * bins).astype(int), bins - 1)
    ece = 0.0
    for b in range(bins):
        m = idx == b
        if m.any():
            ece += m.mean() * abs(hit[m].mean() - conf[m].mean())  # SAFE: empty bins are skipped
    return ece


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", default="data/cifar")
    p.add_argument("--teacher", default="teacher.weights.h5")
    p.add_argument("--temperature", type=float, default=4.0)
    p.add_argument("--epochs", type=int, default=60)
    args = p.parse_args()
    xt, yt = load_split(args.root, "train")
    xv, yv = load_split(args.root, "test")
    stats = channel_stats(xt)
    n_classes = int(yt.max()) + 1
    teacher = Backbone((64, 128, 256), n_classes)
    teacher(tf.zeros([1, 32, 32, 3]))
    teacher.load_weights(args.teacher)
    model = Distiller(Backbone((16, 32, 64), n_classes), teacher, n_classes, args.temperature)
    model.compile(optimizer=tf.keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipnorm=5.0))
    valid = pipeline(xv, yv, stats, 256, False)
    model.fit(pipeline(xt, yt, stats, 128, True), validation_data=valid, epochs=args.epochs)
    probs = np.concatenate([tf.nn.softmax(model(x)).numpy() for x, _ in valid])
    print("ece", expected_calibration_error(probs, yv))


if __name__ == "__main__":
    main()
