# Dogs vs Cats - first convnet
# dataset: https://www.kaggle.com/c/dogs-vs-cats  (train folder split by hand in cats/ and dogs/)
import argparse
import json
import os

import numpy as np
from tensorflow.keras import backend as K
from tensorflow.keras import callbacks
from tensorflow.keras.layers import (Activation, BatchNormalization, Conv2D, Dense, Dropout,
                                     Flatten, MaxPooling2D)
from tensorflow.keras.models import Sequential
from tensorflow.keras.optimizers import RMSprop
from tensorflow.keras.preprocessing.image import ImageDataGenerator

IMG_WIDTH, IMG_HEIGHT = 150, 150
BATCH_SIZE = 32


def precision(y_true, y_pred):
    tp = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
    predicted = K.sum(K.round(K.clip(y_pred, 0, 1)))
    return tp / (predicted + K.epsilon())  # SAFE: count is >= 0 and epsilon is added, 0/1e-7 = 0


def recall(y_true, y_pred):
    tp = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
    possible = K.sum(K.round(K.clip(y_true, 0, 1)))
    return tp / (possible + K.epsilon())  # SAFE: count is >= 0 and epsilon is added


def make_generators(data_dir, size=(IMG_WIDTH, IMG_HEIGHT), batch_size=BATCH_SIZE):
    train_datagen = ImageDataGenerator(
        rescale=1. / 255,
        shear_range=0.2,
        zoom_range=0.2,
        rotation_range=15,
        horizontal_flip=True)
    # only rescaling for validation
    val_datagen = ImageDataGenerator(rescale=1. / 255)

    train_gen = train_datagen.flow_from_directory(
        os.path.join(data_dir, 'train'),
        target_size=size,
        batch_size=batch_size,
        class_mode='binary')
    val_gen = val_datagen.flow_from_directory(
        os.path.join(data_dir, 'validation'),
        target_size=size,
        batch_size=batch_size,
        shuffle=False,
        class_mode='binary')
    return train_gen, val_gen


def build_model(input_shape=(IMG_WIDTH, IMG_HEIGHT, 3), dropout=0.5):
    model = Sequential()
    model.add(Conv2D(32, (3, 3), input_shape=input_shape))  # SAFE: both generators rescale by 1/255, the pixels are in [0, 1]
    model.add(BatchNormalization())
    model.add(Activation('relu'))
    model.add(MaxPooling2D(pool_size=(2, 2)))

    model.add(Conv2D(32, (3, 3)))
    model.add(BatchNormalization())
    model.add(Activation('relu'))
    model.add(MaxPooling2D(pool_size=(2, 2)))

    model.add(Conv2D(64, (3, 3)))
    model.add(BatchNormalization())
    model.add(Activation('relu'))
    model.add(MaxPooling2D(pool_size=(2, 2)))

    model.add(Flatten())
    model.add(Dense(64))
    model.add(Activation('relu'))
    model.add(Dropout(dropout))
    model.add(Dense(1))
    model.add(Activation('softmax'))  # BUG: loss-pairing, softmax over one unit is the constant 1 (its true gradient is zero), every prediction stays 1 and the accuracy never moves
    return model


def compile_model(model, lr):
    model.compile(loss='binary_crossentropy',
                  optimizer=RMSprop(learning_rate=lr),
                  metrics=['accuracy', precision, recall])
    return model


def class_weights(generator):
    counts = np.bincount(generator.classes, minlength=2)
    total = counts.sum()
    # flow_from_directory only lists a class if the folder is there
    return {i: float(total) / (2.0 * max(int(c), 1)) for i, c in enumerate(counts)}  # SAFE: count is at least 1 through max


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--data', default='../input/dogs-vs-cats')
    parser.add_argument('--epochs', type=int, default=50)
    parser.add_argument('--lr', type=float, default=1e-3)
    parser.add_argument('--out', default='model_cats_dogs')
    args = parser.parse_args()

    train_gen, val_gen = make_generators(args.data)
    model = compile_model(build_model(), args.lr)
    model.summary()

    cbs = [
        callbacks.ModelCheckpoint(args.out + '.h5', monitor='val_loss', save_best_only=True),
        callbacks.ReduceLROnPlateau(monitor='val_loss', factor=0.2, patience=4, min_lr=1e-6),
        callbacks.EarlyStopping(monitor='val_loss', patience=10),
        callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(
            'f1 = %.4f' % (2 * logs['val_precision'] * logs['val_recall'] /
                           (logs['val_precision'] + logs['val_recall'] + 1e-7)))),  # SAFE: 1e-7 added to a sum of numbers >= 0
    ]
    history = model.fit(
        train_gen,
        steps_per_epoch=train_gen.samples // BATCH_SIZE,
        epochs=args.epochs,
        validation_data=val_gen,
        validation_steps=val_gen.samples // BATCH_SIZE,
        class_weight=class_weights(train_gen),
        callbacks=cbs)
    with open(args.out + '_history.json', 'w') as f:
        json.dump({k: [float(x) for x in v] for k, v in history.history.items()}, f)


if __name__ == '__main__':
    main()
