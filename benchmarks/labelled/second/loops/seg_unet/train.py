import glob
import os

import tensorflow as tf

from config import Config
from losses import IoUMetric, build_loss
from model import build_unet


def load_pair(image_path, mask_path, size):
    img = tf.io.decode_png(tf.io.read_file(image_path), channels=3)
    mask = tf.io.decode_png(tf.io.read_file(mask_path), channels=1)
    img = tf.image.resize(img, [size, size])
    img = tf.image.per_image_standardization(img)  # SAFE: divides by max(std, 1 / sqrt(pixels))
    mask = tf.image.resize(mask, [size, size], method="nearest")
    return img, tf.cast(mask > 127, tf.float32)


def augment(img, mask):
    if tf.random.uniform([]) > 0.5:
        img, mask = tf.image.flip_left_right(img), tf.image.flip_left_right(mask)
    return img, mask


def make_dataset(cfg):
    images = sorted(glob.glob(cfg.train_glob))
    masks = [os.path.join(cfg.mask_dir, os.path.basename(p)) for p in images]
    ds = tf.data.Dataset.from_tensor_slices((images, masks)).shuffle(len(images))
    ds = ds.map(lambda i, m: load_pair(i, m, cfg.image_size), num_parallel_calls=4)
    return ds.map(augment).batch(cfg.batch_size).prefetch(2)


class Trainer:
    def __init__(self, cfg):
        self.cfg = cfg
        self.model = build_unet(cfg.image_size, cfg.base_filters, cfg.depth)
        self.loss_fn = build_loss(cfg.loss)
        self.opt = tf.keras.optimizers.Adam(cfg.lr, clipnorm=1.0)
        self.iou = IoUMetric()
        self.mean_loss = tf.keras.metrics.Mean()

    @tf.function
    def step(self, img, mask):
        with tf.GradientTape() as tape:
            pred = self.model(img, training=True)
            loss = self.loss_fn(mask, pred)
        grads = tape.gradient(loss, self.model.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        self.mean_loss.update_state(loss)
        self.iou.update_state(mask, pred)
        return loss

    def fit(self, ds):
        for epoch in range(self.cfg.epochs):
            self.mean_loss.reset_state()
            self.iou.reset_state()
            for img, mask in ds:
                self.step(img, mask)
            print(f"{epoch}: loss {self.mean_loss.result():.4f} iou {self.iou.result():.4f}")
            self.model.save_weights("unet.weights.h5")


if __name__ == "__main__":
    config = Config()
    Trainer(config).fit(make_dataset(config))
