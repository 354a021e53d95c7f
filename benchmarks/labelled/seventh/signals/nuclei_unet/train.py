import argparse
import os

import tensorflow as tf
from tensorflow import keras

from config import TrainConfig
from dataset import NucleiTiles
from losses import SegmentationLoss, iou_score
from model import build_unet


class Trainer:
    def __init__(self, cfg):
        self.cfg = cfg
        self.model = build_unet(cfg.data.crop)
        self.loss_fn = SegmentationLoss(cfg.loss)
        self.opt = keras.optimizers.Adam(cfg.lr, clipnorm=cfg.clip_norm)
        self.mean_loss = keras.metrics.Mean()
        self.mean_iou = keras.metrics.Mean()

    @tf.function
    def train_step(self, image, mask, weight):
        with tf.GradientTape() as tape:
            logits = self.model(image, training=True)
            loss = self.loss_fn(mask, logits, weight)
        grads = tape.gradient(loss, self.model.trainable_variables)
        self.opt.apply_gradients(zip(grads, self.model.trainable_variables))
        self.mean_loss.update_state(loss)
        self.mean_iou.update_state(iou_score(mask, logits, self.cfg.loss.void_label))
        return loss

    def fit(self, ds):
        os.makedirs(self.cfg.out_dir, exist_ok=True)
        self.cfg.dump(os.path.join(self.cfg.out_dir, "config.json"))
        for epoch in range(self.cfg.epochs):
            self.mean_loss.reset_state()
            self.mean_iou.reset_state()
            for image, mask, weight in ds:
                self.train_step(image, mask, weight)
            print("epoch %d loss %.4f iou %.4f" % (epoch, self.mean_loss.result(), self.mean_iou.result()))
            self.model.save_weights(os.path.join(self.cfg.out_dir, "last.weights.h5"))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--root", default="data/stage1")
    ap.add_argument("--epochs", type=int, default=60)
    args = ap.parse_args()
    cfg = TrainConfig(epochs=args.epochs)
    cfg.data.root = args.root
    Trainer(cfg).fit(NucleiTiles(cfg.data, cfg.loss).dataset())


if __name__ == "__main__":
    main()
