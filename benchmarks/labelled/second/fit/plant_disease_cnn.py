# PlantVillage leaf disease classifier, my first keras project
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

DATA_DIR = '../input/plantdisease/PlantVillage'
IMAGE_SIZE = 64
BATCH_SIZE = 32
EPOCHS = 25
LR = 0.01


def get_datasets(data_dir=DATA_DIR, image_size=IMAGE_SIZE, batch_size=BATCH_SIZE):
    train_ds = tf.keras.utils.image_dataset_from_directory(
        data_dir, validation_split=0.2, subset='training', seed=1,
        image_size=(image_size, image_size), batch_size=batch_size)
    val_ds = tf.keras.utils.image_dataset_from_directory(
        data_dir, validation_split=0.2, subset='validation', seed=1,
        image_size=(image_size, image_size), batch_size=batch_size)
    class_names = train_ds.class_names
    return train_ds.cache().prefetch(tf.data.AUTOTUNE), val_ds.cache().prefetch(tf.data.AUTOTUNE), class_names


def build_model(n_classes, image_size=IMAGE_SIZE):
    model = keras.Sequential()
    model.add(keras.Input((image_size, image_size, 3)))
    model.add(layers.RandomFlip('horizontal_and_vertical'))
    model.add(layers.RandomRotation(0.2))
    model.add(layers.Conv2D(32, (3, 3), activation='relu'))  # BUG: raw-data, image_dataset_from_directory gives 0..255 and there is no Rescaling, SGD with momentum diverges or kills the relus
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation='relu'))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation='relu'))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation='relu'))
    model.add(layers.Dense(n_classes, activation='softmax'))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=LR, momentum=0.9),
        loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=False),  # SAFE: the last layer is a softmax and from_logits is False, keras clips it
        metrics=['accuracy'])
    return model


def count_per_class(ds, n_classes):
    counts = np.zeros(n_classes)
    for _, labels in ds:
        counts += np.bincount(labels.numpy(), minlength=n_classes)
    return counts


def class_weight_from(counts):
    counts = np.maximum(counts, 1)
    weights = counts.sum() / (len(counts) * counts)  # SAFE: the counts are at least 1
    return {i: float(w) for i, w in enumerate(weights)}


def predict_one(model, class_names, path):
    img = tf.keras.utils.load_img(path, target_size=(IMAGE_SIZE, IMAGE_SIZE))
    array = tf.expand_dims(tf.keras.utils.img_to_array(img), 0)
    p = model.predict(array, verbose=0)[0]
    confidence = round(100 * float(np.max(p)), 2)
    return class_names[int(np.argmax(p))], confidence


def report(model, ds, class_names):
    y_true, y_pred = [], []
    for images, labels in ds:
        y_true.append(labels.numpy())
        y_pred.append(model.predict(images, verbose=0).argmax(axis=1))
    y_true, y_pred = np.concatenate(y_true), np.concatenate(y_pred)
    for i, name in enumerate(class_names):
        tp = np.sum((y_true == i) & (y_pred == i))
        prec = tp / max(np.sum(y_pred == i), 1)  # SAFE: at least 1
        rec = tp / max(np.sum(y_true == i), 1)  # SAFE: at least 1
        print('%-40s precision %.3f recall %.3f' % (name, prec, rec))


if __name__ == '__main__':
    train_ds, val_ds, class_names = get_datasets()
    print(len(class_names), 'classes')
    model = build_model(len(class_names))
    model.summary()
    weights = class_weight_from(count_per_class(train_ds, len(class_names)))
    history = model.fit(train_ds, validation_data=val_ds, epochs=EPOCHS, class_weight=weights,
                        callbacks=[keras.callbacks.EarlyStopping(patience=5)])
    report(model, val_ds, class_names)
    os.makedirs('models', exist_ok=True)
    model.save('models/plants_%d.keras' % len(history.epoch))
