import argparse

import numpy as np
from tensorflow import keras

from dataset import make_dataset, parse_folder
from network import build_model
from settings import HEADS, MAX_AGE, TRAIN


def compile_model(model, lr):
    model.compile(
        optimizer=keras.optimizers.Adam(lr),
        loss={name: h['loss'] for name, h in HEADS.items()},  # BUG: loss-pairing, the gender head is linear (activation None) but 'binary_crossentropy' wants probabilities, logits outside of (0, 1) are clipped and get no gradient
        loss_weights={name: h['weight'] for name, h in HEADS.items()},
        metrics={name: [h['metric']] for name, h in HEADS.items()})
    return model


def decay(epoch, lr):
    if epoch and epoch % TRAIN['decay_every'] == 0:
        return lr * 0.5
    return lr


def age_groups(predicted, truth, edges=(0, 3, 13, 20, 40, 60, MAX_AGE + 1)):
    for low, high in zip(edges[:-1], edges[1:]):
        rows = (truth >= low) & (truth < high)
        n = int(rows.sum())
        mae = np.abs(predicted[rows] - truth[rows]).sum() / n if n else float('nan')  # SAFE: divides only when the group has members
        yield low, high, n, mae


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--folder', default='UTKFace')
    p.add_argument('--epochs', type=int, default=TRAIN['epochs'])
    args = p.parse_args()
    df = parse_folder(args.folder).sample(frac=1.0, random_state=0)
    cut = int(0.8 * len(df))
    train = make_dataset(df[:cut], TRAIN['batch_size'], True)
    val = make_dataset(df[cut:], TRAIN['batch_size'], False)
    model = compile_model(build_model(), TRAIN['lr'])
    model.fit(train, validation_data=val, epochs=args.epochs,
              callbacks=[keras.callbacks.LearningRateScheduler(decay),
                         keras.callbacks.ModelCheckpoint('faces.keras', save_best_only=True)])
    out = model.predict(val)
    for low, high, n, mae in age_groups(out['age'].ravel() * MAX_AGE, df['age'].values[cut:]):
        print('%3d-%3d n=%d mae=%.2f' % (low, high, n, mae))


if __name__ == '__main__':
    main()
