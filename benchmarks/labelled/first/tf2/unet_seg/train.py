import glob
import os
import sys
import tensorflow as tf

import config as C
from losses import LOSSES, dice_coef, iou_metric
from model import unet


def read(img, msk):
    i = tf.io.decode_jpeg(tf.io.read_file(img), channels=3)
    m = tf.io.decode_png(tf.io.read_file(msk), channels=1)
    i = tf.image.resize(i, [C.IMG_SIZE] * 2) / 255.0  # SAFE: constant
    m = tf.image.resize(m, [C.IMG_SIZE] * 2, method="nearest")
    m = tf.cast(m > 127, tf.float32)
    return i, m


def augment(i, m):
    if tf.random.uniform(()) > 0.5:
        i, m = tf.image.flip_left_right(i), tf.image.flip_left_right(m)
    return tf.image.random_brightness(i, 0.1), m


def datasets():
    imgs = sorted(glob.glob(os.path.join(C.DATA, "images", "*.jpg")))
    msks = sorted(glob.glob(os.path.join(C.DATA, "masks", "*.png")))
    n = int(0.9 * len(imgs))
    mk = lambda a, b: tf.data.Dataset.from_tensor_slices((a, b)).map(read, tf.data.AUTOTUNE)
    tr = mk(imgs[:n], msks[:n]).map(augment).shuffle(200).batch(C.BATCH).prefetch(2)
    va = mk(imgs[n:], msks[n:]).batch(C.BATCH)
    return tr, va


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else C.LOSS
    model = unet()
    model.compile(optimizer=tf.keras.optimizers.Adam(C.LR), loss=LOSSES[name],  # SAFE: sigmoid output, every loss in the table takes probabilities
                  metrics=[dice_coef, iou_metric])
    tr, va = datasets()
    cbs = [tf.keras.callbacks.ModelCheckpoint("best.h5", save_best_only=True),
           tf.keras.callbacks.ReduceLROnPlateau(patience=4, factor=0.3)]
    model.fit(tr, validation_data=va, epochs=C.EPOCHS, callbacks=cbs)  # SAFE: read() divides by 255


if __name__ == "__main__":
    main()
