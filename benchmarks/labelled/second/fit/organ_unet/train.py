import argparse

from tensorflow import keras

from config import CLASSES, CONFIG
from data import SliceSequence
from losses import class_dice, get_loss
from model import unet


def build(config, steps):
    model = unet(config)
    schedule = keras.optimizers.schedules.PolynomialDecay(
        config['lr'], max(steps, 1), end_learning_rate=config['lr_end'], power=0.9)
    model.compile(optimizer=keras.optimizers.Adam(schedule),
                  loss=get_loss(config),
                  metrics=[class_dice(i, n) for i, n in enumerate(CLASSES) if i > 0])
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--train', default='slices/train')
    parser.add_argument('--val', default='slices/val')
    parser.add_argument('--loss', default=CONFIG['loss'])
    args = parser.parse_args()
    config = dict(CONFIG, loss=args.loss)
    train, val = SliceSequence(args.train, config), SliceSequence(args.val, config, shuffle=False)
    model = build(config, steps=len(train) * config['epochs'])
    model.fit(train, validation_data=val, epochs=config['epochs'],
              callbacks=[keras.callbacks.ModelCheckpoint('unet.keras', save_best_only=True),
                         keras.callbacks.TensorBoard('logs')])


if __name__ == '__main__':
    main()
