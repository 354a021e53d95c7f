import argparse

import keras
import numpy as np

from layers import Capsules, ContrastNorm, Length, PowerActivation, RMSNorm, squash
from losses import BalancedAccuracy, margin_loss, spread_loss, symmetric_ce

LOSSES = {'margin': margin_loss(), 'spread': spread_loss(), 'sce': symmetric_ce()}


def build(shape=(28, 28, 1), n_classes=10, routings=3, filters=64):
    inp = keras.Input(shape)
    x = ContrastNorm()(inp)
    x = keras.layers.Conv2D(filters, 9, activation='relu')(x)
    x = PowerActivation()(x)
    x = RMSNorm()(x)
    x = keras.layers.Conv2D(filters, 9, strides=2)(x)
    x = keras.layers.Reshape((-1, 8))(x)
    x = keras.layers.Lambda(squash)(x)
    caps = Capsules(n_classes, 16, routings)(x)
    return keras.Model(inp, Length(name='length')(caps))


def load(noise=0.0, seed=0):
    (x, y), (xt, yt) = keras.datasets.mnist.load_data()
    rng = np.random.default_rng(seed)
    flip = rng.random(len(y)) < noise
    y = np.where(flip, rng.integers(0, 10, len(y)), y)
    prep = lambda a: a[..., None].astype('float32') / 255.0
    return (prep(x), keras.utils.to_categorical(y, 10)), (prep(xt), keras.utils.to_categorical(yt, 10))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--loss', choices=sorted(LOSSES), default='margin')
    p.add_argument('--noise', type=float, default=0.0)
    p.add_argument('--epochs', type=int, default=10)
    p.add_argument('--lr', type=float, default=1e-3)
    args = p.parse_args()
    train, test = load(args.noise)
    model = build()
    decay = keras.optimizers.schedules.ExponentialDecay(args.lr, 2000, 0.96)
    model.compile(optimizer=keras.optimizers.Adam(decay), loss=LOSSES[args.loss],
                  metrics=['accuracy', BalancedAccuracy(10)])
    best = {'value': 0.0}
    model.fit(*train, validation_data=test, batch_size=128, epochs=args.epochs, callbacks=[
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda e, logs: best.update(value=max(best['value'], logs['val_accuracy']))),
        keras.callbacks.ModelCheckpoint('caps.keras', save_best_only=True)])
    print('error rate ratio', (1 - best['value']) / max(args.noise, 1e-3))  # SAFE: the divisor is at least 1e-3


if __name__ == '__main__':
    main()
