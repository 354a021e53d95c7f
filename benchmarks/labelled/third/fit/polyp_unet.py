"""Polyp segmentation on Kvasir-SEG with a small U-Net (keras)."""
import argparse
import glob
import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import backend as K
from tensorflow.keras import layers, models
from tensorflow.keras.callbacks import CSVLogger, EarlyStopping, ModelCheckpoint, ReduceLROnPlateau

H, W = 256, 256
SMOOTH = 1.0


def read_image(path):
    raw = tf.io.read_file(path)
    img = tf.image.decode_jpeg(raw, channels=3)
    img = tf.image.resize(img, (H, W))
    return tf.cast(img, tf.float32) / 255.0


def read_mask(path):
    raw = tf.io.read_file(path)
    m = tf.image.decode_jpeg(raw, channels=1)
    m = tf.image.resize(m, (H, W), method="nearest")
    return tf.cast(m > 127, tf.float32)


def per_image_standardize(img):
    mean = tf.reduce_mean(img)
    std = tf.math.reduce_std(img)
    n = tf.cast(tf.size(img), tf.float32)
    return (img - mean) / tf.maximum(std, 1.0 / tf.sqrt(n))  # SAFE: std is floored by 1/sqrt(number of pixels), black frames give 0


def make_dataset(root, split, batch_size, training):
    images = sorted(glob.glob(os.path.join(root, split, "images", "*.jpg")))
    masks = sorted(glob.glob(os.path.join(root, split, "masks", "*.jpg")))
    assert len(images) == len(masks) and images, "no data in %s" % root
    ds = tf.data.Dataset.from_tensor_slices((images, masks))
    if training:
        ds = ds.shuffle(len(images))
    ds = ds.map(lambda a, b: (per_image_standardize(read_image(a)), read_mask(b)),
                num_parallel_calls=tf.data.AUTOTUNE)
    if training:
        ds = ds.map(augment)
    return ds.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def augment(img, mask):
    if tf.random.uniform(()) > 0.5:
        img = tf.image.flip_left_right(img)
        mask = tf.image.flip_left_right(mask)
    if tf.random.uniform(()) > 0.5:
        img = tf.image.flip_up_down(img)
        mask = tf.image.flip_up_down(mask)
    return img, mask


# ---------------------------------------------------------------- metrics
def dice_coef(y_true, y_pred, smooth=SMOOTH):
    y_true_f = K.flatten(y_true)
    y_pred_f = K.flatten(y_pred)
    intersection = K.sum(y_true_f * y_pred_f)
    return (2. * intersection + smooth) / (K.sum(y_true_f) + K.sum(y_pred_f) + smooth)  # SAFE: smooth is 1 and the sums are not negative


def iou(y_true, y_pred):
    y_pred = K.cast(y_pred > 0.5, "float32")
    inter = K.sum(y_true * y_pred, axis=[1, 2, 3])
    union = K.sum(y_true, axis=[1, 2, 3]) + K.sum(y_pred, axis=[1, 2, 3]) - inter
    return K.mean((inter + K.epsilon()) / (union + K.epsilon()))  # SAFE: epsilon keeps an empty union positive in float32


def tversky(y_true, y_pred, alpha=0.7):
    y_true_pos = K.flatten(y_true)
    y_pred_pos = K.flatten(y_pred)
    true_pos = K.sum(y_true_pos * y_pred_pos)
    false_neg = K.sum(y_true_pos * (1 - y_pred_pos))
    false_pos = K.sum((1 - y_true_pos) * y_pred_pos)
    return (true_pos + SMOOTH) / (true_pos + alpha * false_neg + (1 - alpha) * false_pos + SMOOTH)  # SAFE: denominator at least SMOOTH = 1


def focal_tversky_loss(gamma=0.75):
    def loss(y_true, y_pred):
        pt_1 = tversky(y_true, y_pred)
        return K.pow((1 - pt_1), gamma)  # BUG: sqrt-grad, gradient of x**0.75 is infinite at 0, and index 1 is reached on frames without polyp or with saturated predictions
    return loss


def bce_dice_loss(y_true, y_pred):
    y_pred = K.clip(y_pred, K.epsilon(), 1.0 - K.epsilon())
    bce = -(y_true * K.log(y_pred) + (1 - y_true) * K.log(1 - y_pred))  # SAFE: predictions are clipped to [1e-7, 1 - 1e-7] one line above
    return K.mean(bce) - K.log(dice_coef(y_true, y_pred))  # SAFE: dice with smooth 1 is at least 1 / (2*pixels + 1), and H*W*batch is finite


# ---------------------------------------------------------------- model
def conv_block(x, filters, name):
    for i in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name="%s_conv%d" % (name, i))(x)
        x = layers.BatchNormalization(name="%s_bn%d" % (name, i))(x)
        x = layers.Activation("relu")(x)
    return x


def build_unet(base=16, depth=4, size=(H, W)):
    inputs = layers.Input(size + (3,))
    skips, x = [], inputs
    for d in range(depth):
        x = conv_block(x, base * 2 ** d, "enc%d" % d)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = conv_block(x, base * 2 ** depth, "mid")
    for d in reversed(range(depth)):
        x = layers.UpSampling2D()(x)
        x = layers.Concatenate()([x, skips[d]])
        x = conv_block(x, base * 2 ** d, "dec%d" % d)
    outputs = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    return models.Model(inputs, outputs, name="unet")


LOSSES = {
    "focal_tversky": focal_tversky_loss(),
    "bce_dice": bce_dice_loss,
    "bce": "binary_crossentropy",
}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--data", default="data/kvasir")
    p.add_argument("--loss", default="focal_tversky", choices=sorted(LOSSES))
    p.add_argument("--lr", type=float, default=1e-4)
    p.add_argument("--batch-size", type=int, default=8)
    p.add_argument("--epochs", type=int, default=60)
    p.add_argument("--out", default="files")
    args = p.parse_args()

    np.random.seed(42)
    tf.random.set_seed(42)
    os.makedirs(args.out, exist_ok=True)

    train = make_dataset(args.data, "train", args.batch_size, True)
    valid = make_dataset(args.data, "valid", args.batch_size, False)
    model = build_unet()
    model.compile(optimizer=tf.keras.optimizers.Adam(args.lr), loss=LOSSES[args.loss],  # SAFE: lr 1e-4 for Adam and sigmoid output with probability losses
                  metrics=[dice_coef, iou])
    model.fit(train, validation_data=valid, epochs=args.epochs, callbacks=[
        ModelCheckpoint(os.path.join(args.out, "model.keras"), monitor="val_loss"),
        ReduceLROnPlateau(monitor="val_loss", factor=0.1, patience=5, min_lr=1e-7),
        CSVLogger(os.path.join(args.out, "log.csv")),
        EarlyStopping(monitor="val_loss", patience=20),
    ])


if __name__ == "__main__":
    main()
