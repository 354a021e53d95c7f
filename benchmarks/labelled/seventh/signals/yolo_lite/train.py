import argparse
import time

import tensorflow as tf

import settings as S
from criterion import mean_overlap, yolo_loss
from net import build

FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "boxes": tf.io.VarLenFeature(tf.float32),
    "labels": tf.io.VarLenFeature(tf.int64),
}


def encode(boxes, labels):
    """Write each box into the cell of its centre."""
    cell = tf.cast(tf.floor(boxes[:, :2] * S.GRID), tf.int32)
    cell = tf.clip_by_value(cell, 0, S.GRID - 1)
    row = tf.concat([boxes, tf.ones_like(boxes[:, :1]), tf.one_hot(labels, S.CLASSES)], -1)
    out = tf.zeros([S.GRID, S.GRID, 5 + S.CLASSES])
    return tf.tensor_scatter_nd_update(out, cell[:, ::-1], row)


def parse(record):
    ex = tf.io.parse_single_example(record, FEATURES)
    img = tf.image.decode_jpeg(ex["image"], channels=3)
    img = tf.image.resize(img, [S.IMAGE, S.IMAGE]) / 255.0
    boxes = tf.reshape(tf.sparse.to_dense(ex["boxes"]), [-1, 4])
    return img, encode(boxes, tf.sparse.to_dense(ex["labels"]))


def augment(img, target):
    img = tf.image.random_brightness(img, 0.1)
    img = tf.image.random_saturation(img, 0.7, 1.3)
    return tf.clip_by_value(img, 0.0, 1.0), target


class Warmup(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warm, total):
        self.peak, self.warm, self.total = peak, float(warm), float(total)

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        up = self.peak * s / self.warm  # SAFE: WARMUP_STEPS is 1000
        frac = tf.clip_by_value((s - self.warm) / (self.total - self.warm), 0.0, 1.0)  # SAFE: STEPS 40000 > WARMUP_STEPS 1000
        return tf.where(s < self.warm, up, 0.5 * self.peak * (1.0 + tf.cos(3.14159 * frac)))


@tf.function
def train_step(model, opt, img, target):
    with tf.GradientTape() as tape:
        raw = model(img, training=True)
        loss, coord, cls = yolo_loss(raw, target)
    g = tape.gradient(loss, model.trainable_variables)
    opt.apply_gradients(zip(g, model.trainable_variables))
    return loss, coord, cls, mean_overlap(raw, target)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--records", nargs="+", default=["voc_train.tfrecord"])
    ap.add_argument("--out", default="yolo.weights.h5")
    a = ap.parse_args()
    ds = tf.data.TFRecordDataset(a.records).repeat().shuffle(1000)
    ds = ds.map(parse, num_parallel_calls=4).map(augment).batch(S.BATCH, drop_remainder=True).prefetch(2)
    model = build()
    opt = tf.keras.optimizers.Adam(Warmup(S.LR, S.WARMUP_STEPS, S.STEPS), global_clipnorm=10.0)
    t0 = time.time()
    for i, (img, target) in enumerate(ds.take(S.STEPS)):
        loss, coord, cls, ov = train_step(model, opt, img, target)
        if i % 50 == 0:
            print(i, "%.3f %.3f %.3f overlap %.3f  %.1fs" % (loss, coord, cls, ov, time.time() - t0))
        if i % 2000 == 1999:
            model.save_weights(a.out)


if __name__ == "__main__":
    main()
