import argparse

import numpy as np
from tensorflow.keras.callbacks import CSVLogger, ModelCheckpoint
from tensorflow.keras.optimizers import RMSprop

from data import load_folder, make_pairs, standardise
from losses import LOSSES, accuracy, soft_accuracy
from network import siamese


def equal_error_rate(distance, labels, steps=200):
    best = 1.0
    pos = max(int((labels == 1).sum()), 1)
    neg = max(int((labels == 0).sum()), 1)
    for t in np.linspace(distance.min(), distance.max(), steps):
        frr = ((distance > t) & (labels == 1)).sum() / pos  # SAFE: pos is at least 1
        far = ((distance <= t) & (labels == 0)).sum() / neg  # SAFE: neg is at least 1
        best = min(best, max(frr, far))
    return best


def parse():
    p = argparse.ArgumentParser()
    p.add_argument('--root', default='data/cedar')
    p.add_argument('--pairs', type=int, default=4000)
    p.add_argument('--epochs', type=int, default=20)
    p.add_argument('--batch', type=int, default=64)
    p.add_argument('--loss', choices=sorted(LOSSES), default='hinge')
    p.add_argument('--margin', type=float, default=1.0)
    p.add_argument('--lr', type=float, default=1e-3)
    return p.parse_args()


def main():
    args = parse()
    writers = load_folder(args.root)
    writers, mean, std = standardise(writers)
    cut = int(0.8 * len(writers))
    rng = np.random.RandomState(0)
    x_tr, y_tr = make_pairs(writers[:cut], args.pairs, rng)
    x_va, y_va = make_pairs(writers[cut:], args.pairs // 4, rng)

    model, base = siamese(x_tr[0].shape[1:])
    model.compile(loss=LOSSES[args.loss](args.margin), optimizer=RMSprop(learning_rate=args.lr),
                  metrics=[accuracy(), soft_accuracy])
    model.fit(x_tr, y_tr, validation_data=(x_va, y_va), batch_size=args.batch, epochs=args.epochs,
              callbacks=[CSVLogger('log.csv'), ModelCheckpoint('best.weights.h5', save_best_only=True,
                                                               save_weights_only=True)])
    d = model.predict(x_va)
    print('EER', equal_error_rate(d.ravel(), y_va.ravel()))
    np.savez('norm.npz', mean=mean, std=std)


if __name__ == '__main__':
    main()
