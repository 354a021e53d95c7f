import argparse
import logging

import tensorflow as tf

import data
from config import DataConfig, ModelConfig, TrainConfig
from model import BPR, NeuMF, item_similarity


def build(mode, n_users, n_items, mcfg, tcfg):
    optimizer = tf.keras.optimizers.Adam(tcfg.lr)
    if mode == "pointwise":
        model = NeuMF(n_users, n_items, mcfg)
        model.compile(
            optimizer=optimizer,
            loss=tf.keras.losses.BinaryCrossentropy(from_logits=mcfg.from_logits),  # BUG: loss-pairing, NeuMF ends with a sigmoid and the config says logits
            metrics=[tf.keras.metrics.AUC(name="auc")],
        )
        return model
    model = BPR(n_users, n_items, mcfg)
    model.compile(optimizer=optimizer)
    return model


def main():
    logging.basicConfig(level=logging.INFO)
    dcfg, mcfg, tcfg = DataConfig(), ModelConfig(), TrainConfig()
    p = argparse.ArgumentParser()
    p.add_argument("--ratings", default=dcfg.ratings)
    p.add_argument("--mode", choices=["pointwise", "pairwise"], default=tcfg.mode)
    p.add_argument("--epochs", type=int, default=tcfg.epochs)
    args = p.parse_args()

    users, items, ratings, n_users, n_items = data.read_ratings(args.ratings)
    logging.info("%d users %d items %d ratings", n_users, n_items, len(ratings))
    make = data.pointwise if args.mode == "pointwise" else data.pairwise
    ds = make(dcfg, users, items, ratings, n_items)
    model = build(args.mode, n_users, n_items, mcfg, tcfg)
    model.fit(ds, epochs=args.epochs)
    table = model.gmf_v if args.mode == "pointwise" else model.v
    sim = item_similarity(table.embeddings)
    logging.info("nearest to item 0: %s", tf.math.top_k(sim[0], min(10, n_items)).indices.numpy())


if __name__ == "__main__":
    main()
