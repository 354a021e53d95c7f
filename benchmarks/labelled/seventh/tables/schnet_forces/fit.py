import argparse

import keras
import numpy as np
import tensorflow as tf

import data
from model import SchNet


def objective(g, e, f, rho):
    per_mol = tf.cast(tf.shape(f)[0], tf.float32) / tf.cast(tf.shape(e)[0], tf.float32)  # SAFE: a batch holds at least one molecule
    loss_e = tf.reduce_mean(tf.square((e - g["e"]) / tf.maximum(per_mol, 1.0)))  # SAFE: floor of one atom
    err = tf.sqrt(tf.reduce_sum(tf.square(f - g["f"]), -1) + 1e-6)  # SAFE: epsilon inside the root
    return rho * loss_e + (1.0 - rho) * tf.reduce_mean(err)


def train_step(model, opt, g, rho):
    with tf.GradientTape() as tape:
        e, f = model(g)
        loss = objective(g, e, f, rho)
    grads = tape.gradient(loss, model.trainable_variables)
    grads = [tf.zeros_like(v) if d is None else tf.convert_to_tensor(d) for d, v in zip(grads, model.trainable_variables)]
    grads, norm = tf.clip_by_global_norm(grads, 10.0)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    return float(loss), float(norm)


def relative_force_error(f, ref):
    return float(np.abs(f - ref).mean() / (np.abs(ref).mean() + 1e-6))  # SAFE: epsilon, evaluation only


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", default="md17_aspirin.npz")
    ap.add_argument("--dim", type=int, default=64)
    ap.add_argument("--depth", type=int, default=3)
    ap.add_argument("--n-basis", dest="n_basis", type=int, default=32)
    ap.add_argument("--cutoff", type=float, default=5.0)
    ap.add_argument("--smooth", choices=sorted(SchNet.CUTOFFS), default="bump")
    ap.add_argument("--rho", type=float, default=0.01)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--epochs", type=int, default=200)
    ap.add_argument("--lr", type=float, default=5e-4)
    cfg = ap.parse_args()
    z, pos, energy, forces = data.load(cfg.data)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(z))
    train, valid = order[: int(0.9 * len(z))], order[int(0.9 * len(z)):]
    scaler = data.EnergyScaler(z[train], energy[train])
    model, opt = SchNet(cfg), keras.optimizers.Adam(cfg.lr)
    for epoch in range(cfg.epochs):
        logs = []
        for rows in np.array_split(rng.permutation(train), max(len(train) // cfg.batch, 1)):
            logs.append(train_step(model, opt, data.batch(z, pos, energy, forces, rows, cfg.cutoff, scaler), cfg.rho))
        g = data.batch(z, pos, energy, forces, valid[:cfg.batch], cfg.cutoff, scaler)
        e, f = model(g)
        print(f"epoch {epoch} loss {np.mean([l for l, _ in logs]):.4f} mae E {np.abs(e.numpy() - g['e'].numpy()).mean():.4f} "
              f"F {relative_force_error(f.numpy(), g['f'].numpy()):.4f}", flush=True)
        model.save_weights("schnet.weights.h5")


if __name__ == "__main__":
    main()
