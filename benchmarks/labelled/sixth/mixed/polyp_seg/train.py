import os
import glob
import numpy as np
import tensorflow as tf

from config import get_config
from losses import build_loss
from model import build_unet


def load_pair(img_path, mask_path, size):
    img = tf.io.decode_jpeg(tf.io.read_file(img_path), channels=3)
    mask = tf.io.decode_jpeg(tf.io.read_file(mask_path), channels=1)
    return prepare(img, mask, size)


def prepare(img, mask, size):
    img = tf.image.resize(img, size) / 255.0  # SAFE: constant divisor, pixels end up in [0, 1]
    mask = tf.image.resize(mask, size, method="nearest")
    mask = tf.cast(mask > 127, tf.float32)
    mean, var = tf.nn.moments(img, axes=[0, 1])
    img = (img - mean) / tf.maximum(tf.sqrt(var), 1e-3)  # SAFE: std is floored, input pipeline only, no gradient
    return img, mask


def make_dataset(cfg, training):
    imgs = sorted(glob.glob(os.path.join(cfg.root, "images", "*.jpg")))
    masks = [p.replace("images", "masks") for p in imgs]
    n_val = int(len(imgs) * cfg.val_fraction)
    sl = slice(n_val, None) if training else slice(0, n_val)
    ds = tf.data.Dataset.from_tensor_slices((imgs[sl], masks[sl]))
    ds = ds.map(lambda a, b: load_pair(a, b, cfg.image_size), num_parallel_calls=4)
    if training:
        ds = ds.shuffle(256)
    return ds.batch(cfg.batch_size).prefetch(2)


def mean_dice(y_true, y_pred):
    y_true = tf.cast(y_true > 0.5, tf.float32)
    y_pred = tf.cast(y_pred > 0.5, tf.float32)
    inter = tf.reduce_sum(y_true * y_pred, axis=[1, 2, 3])
    total = tf.reduce_sum(y_true + y_pred, axis=[1, 2, 3])
    return tf.reduce_mean(tf.math.divide_no_nan(2.0 * inter, total))  # SAFE: divide_no_nan gives 0 on two empty masks, metric only


def main():
    cfg = get_config()
    tf.keras.utils.set_random_seed(cfg.train.seed)
    model = build_unet(cfg.data.image_size)
    opt = tf.keras.optimizers.AdamW(cfg.train.lr, weight_decay=cfg.train.weight_decay)
    model.compile(opt, loss=build_loss(cfg.loss), metrics=[mean_dice])
    model.fit(make_dataset(cfg.data, True), validation_data=make_dataset(cfg.data, False),
              epochs=cfg.train.epochs,
              callbacks=[tf.keras.callbacks.TensorBoard(cfg.train.logdir)])
    model.save("unet.keras")


if __name__ == "__main__":
    main()
