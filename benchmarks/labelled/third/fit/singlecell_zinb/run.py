import argparse

import numpy as np
from tensorflow import keras

import io_counts
from dca import ZINBAutoencoder


def parser():
    p = argparse.ArgumentParser(description="Denoise a count matrix")
    p.add_argument("mtx")
    p.add_argument("--genes", type=int, default=2000)
    p.add_argument("--log-input", action="store_true")
    p.add_argument("--scale-input", action="store_true")
    p.add_argument("--batchnorm", action="store_true")
    p.add_argument("--ridge", type=float, default=0.0)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--epochs", type=int, default=300)
    p.add_argument("--out", default="denoised.npy")
    return p


def prepare(counts, args):
    counts = io_counts.filter_cells(counts)
    counts = counts[:, io_counts.top_variable_genes(counts, args.genes)]
    counts = io_counts.filter_cells(counts, 1)
    sf = io_counts.size_factors(counts).astype("float32")
    return io_counts.normalize(counts, sf, args.log_input, args.scale_input), sf, counts


def main():
    args = parser().parse_args()
    x, sf, counts = prepare(io_counts.read_mtx(args.mtx), args)
    model = ZINBAutoencoder(x.shape[1], ridge=args.ridge, batchnorm=args.batchnorm)
    model.compile(optimizer=keras.optimizers.RMSprop(args.lr, clipvalue=5.0))
    cut = int(0.9 * len(x))
    model.fit((x[:cut], sf[:cut]), counts[:cut], validation_data=((x[cut:], sf[cut:]), counts[cut:]),
              batch_size=32, epochs=args.epochs,
              callbacks=[keras.callbacks.ReduceLROnPlateau(patience=10), keras.callbacks.EarlyStopping(patience=15)])
    np.save(args.out, model.predict((x, sf))[0])


if __name__ == "__main__":
    main()
