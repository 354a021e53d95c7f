"""ChestX-ray14: DenseNet with 14 sigmoid outputs, weighted binary cross entropy for the rare findings."""
import argparse
import os

import numpy as np
import pandas as pd
from tensorflow import keras
from tensorflow.keras import backend as K
from tensorflow.keras import layers
from tensorflow.keras.preprocessing.image import ImageDataGenerator

LABELS = ['Atelectasis', 'Cardiomegaly', 'Consolidation', 'Edema', 'Effusion', 'Emphysema', 'Fibrosis',
          'Hernia', 'Infiltration', 'Mass', 'Nodule', 'Pleural_Thickening', 'Pneumonia', 'Pneumothorax']


def class_frequencies(labels):
    n = float(len(labels))
    positive = labels.sum(axis=0) / max(n, 1.0)  # SAFE: the divisor is at least 1
    return positive, 1.0 - positive


def inverse_weights(labels, cap=50.0):
    positive, negative = class_frequencies(labels)
    ratio = negative / np.clip(positive, 1e-4, None)  # SAFE: frequencies are clipped to at least 1e-4
    return np.minimum(ratio, cap).astype('float32')


class WeightedCrossEntropy:
    """Callable with the weights of the findings, to give to compile()."""

    def __init__(self, pos_weights, neg_weights, uncertain=-1.0):
        self.pos_weights = K.constant(pos_weights)
        self.neg_weights = K.constant(neg_weights)
        self.uncertain = uncertain
        self.__name__ = 'weighted_cross_entropy'

    def terms(self, y_true, y_pred):
        pos = self.pos_weights * y_true * K.log(y_pred)  # BUG: log-sigmoid, y_pred is a sigmoid that underflows to 0 for large negative logits, 0 * log 0 and the gradient are NaN
        neg = self.neg_weights * (1. - y_true) * K.log(1. - y_pred)  # BUG: log-sigmoid, the sigmoid rounds to 1 in float32 for logits above 17, log 0
        return pos + neg

    def __call__(self, y_true, y_pred):
        known = K.cast(K.not_equal(y_true, self.uncertain), 'float32')
        losses = -self.terms(K.clip(y_true, 0., 1.), y_pred) * known
        return K.sum(losses) / K.maximum(K.sum(known), 1.)  # SAFE: the divisor is at least 1


class SensitivitySpecificity(keras.callbacks.Callback):
    def __init__(self, generator, threshold=0.5):
        super().__init__()
        self.generator = generator
        self.threshold = threshold

    def on_epoch_end(self, epoch, logs=None):
        truth, guess = [], []
        for i in range(len(self.generator)):
            x, y = self.generator[i]
            truth.append(y)
            guess.append(self.model.predict(x, verbose=0) > self.threshold)
        truth, guess = np.concatenate(truth) > 0.5, np.concatenate(guess)
        sens = (truth & guess).sum(0) / np.maximum(truth.sum(0), 1)  # SAFE: counts are raised to at least 1
        spec = (~truth & ~guess).sum(0) / np.maximum((~truth).sum(0), 1)  # SAFE: counts are raised to at least 1
        for name, a, b in zip(LABELS, sens, spec):
            print('  %-20s sens %.3f spec %.3f' % (name, a, b))


def generators(df, image_dir, size, batch_size):
    train_gen = ImageDataGenerator(rescale=1. / 255, horizontal_flip=True, width_shift_range=0.05)
    val_gen = ImageDataGenerator(rescale=1. / 255)
    patients = df['Patient ID'].unique()
    np.random.RandomState(1).shuffle(patients)
    held_out = set(patients[:len(patients) // 10])
    is_val = df['Patient ID'].isin(held_out)
    common = dict(directory=image_dir, x_col='Image Index', y_col=LABELS, class_mode='raw',
                  target_size=(size, size), batch_size=batch_size)
    return (train_gen.flow_from_dataframe(df[~is_val], **common),
            val_gen.flow_from_dataframe(df[is_val], shuffle=False, **common), df[~is_val])


def build(size, weights='imagenet'):
    base = keras.applications.DenseNet121(include_top=False, weights=weights, input_shape=(size, size, 3))
    x = layers.GlobalAveragePooling2D()(base.output)
    x = layers.Dropout(0.2)(x)
    out = layers.Dense(len(LABELS), activation='sigmoid', name='findings')(x)
    return keras.Model(base.input, out)


def compile_model(model, train_labels, lr):
    pos = inverse_weights(train_labels)
    loss = WeightedCrossEntropy(pos, np.ones_like(pos))
    model.compile(optimizer=keras.optimizers.Adam(lr), loss=loss,
                  metrics=[keras.metrics.AUC(multi_label=True, num_labels=len(LABELS), name='auc')])
    return model


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--csv', default='Data_Entry_2017.csv')
    p.add_argument('--images', default='images')
    p.add_argument('--size', type=int, default=224)
    p.add_argument('--batch', type=int, default=16)
    p.add_argument('--lr', type=float, default=1e-4)
    p.add_argument('--epochs', type=int, default=10)
    args = p.parse_args()
    df = pd.read_csv(args.csv)
    for name in LABELS:
        df[name] = df['Finding Labels'].str.contains(name).astype('float32')
    train, val, train_df = generators(df, args.images, args.size, args.batch)
    model = compile_model(build(args.size), train_df[LABELS].values, args.lr)
    os.makedirs('weights', exist_ok=True)
    model.fit(train, validation_data=val, epochs=args.epochs,
              callbacks=[SensitivitySpecificity(val),
                         keras.callbacks.ModelCheckpoint('weights/best.keras', monitor='val_auc', mode='max',
                                                         save_best_only=True)])


if __name__ == '__main__':
    main()
