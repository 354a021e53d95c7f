"""python -m motor_claims.run policies.csv --out models/"""
import argparse
import logging
import os

import numpy as np
from tensorflow import keras

from . import extract, nets, schema

log = logging.getLogger("motor_claims")


def split_by_hash(df, share=0.8):
    bucket = (np.arange(len(df)) * 2654435761 % 1000) / 1000.0
    return df[bucket < share], df[bucket >= share]


def feed(df, maps, stats, with_offset):
    num, _ = extract.numeric_block(df, stats)
    inputs = {"num": num, **extract.categorical_block(df, maps)}
    if with_offset:
        inputs["offset"] = extract.offset(df)
    return inputs


def frequency(train, test, maps, stats, out):
    cfg = schema.FREQ
    y = train[schema.CLAIMS].to_numpy(np.float32)[:, None]
    base = y.sum() / max(train[schema.EXPOSURE].sum(), 1.0)  # SAFE: denominator at least one year
    start = float(np.log(max(base, 1e-4)))  # SAFE: floored
    model = nets.build(maps, cfg, True, start)
    model.compile(keras.optimizers.Nadam(cfg["learning_rate"]), loss=nets.PoissonLoss())
    model.fit(feed(train, maps, stats, True), y, batch_size=cfg["batch_size"], epochs=cfg["epochs"],
              validation_split=0.1, verbose=2)
    mu = np.exp(np.minimum(model.predict(feed(test, maps, stats, True), batch_size=8192), 5.0))  # SAFE: exponent capped
    log.info("frequency deviance %.5f", float(nets.deviance_poisson(test[schema.CLAIMS].to_numpy()[:, None], mu)))
    model.save(os.path.join(out, "frequency.keras"))
    return mu[:, 0]


def severity(train, test, maps, stats, out):
    cfg = schema.SEV
    rows = extract.severity_rows(train, cfg["large_loss"])
    y = (rows["mean_cost"].to_numpy(np.float32) / 1000.0)[:, None]
    model = nets.build(maps, cfg, False, float(np.log(y.mean())))  # SAFE: costs are positive after the filter
    model.compile(keras.optimizers.Nadam(cfg["learning_rate"]), loss=nets.GammaLoss())
    model.fit(feed(rows, maps, stats, False), y, batch_size=cfg["batch_size"], epochs=cfg["epochs"], verbose=2,
              sample_weight=rows[schema.CLAIMS].to_numpy(np.float32))
    model.save(os.path.join(out, "severity.keras"))
    eta = model.predict(feed(test, maps, stats, False), batch_size=8192)[:, 0]
    return 1000.0 * np.exp(np.clip(eta, -8, 8))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("policies")
    ap.add_argument("--out", default="models")
    ap.add_argument("--seed", type=int, default=11)
    args = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    keras.utils.set_random_seed(args.seed)
    os.makedirs(args.out, exist_ok=True)
    df = extract.load_policies(args.policies, schema.FREQ["min_exposure"])
    maps = extract.code_maps(df)
    train, test = split_by_hash(df)
    _, stats = extract.numeric_block(train)
    freq = frequency(train, test, maps, stats, args.out)
    cost = severity(train, test, maps, stats, args.out)
    premium = freq * cost
    order = np.argsort(premium)
    lift = premium[order[-len(order) // 10:]].mean() / max(premium[order[:len(order) // 10]].mean(), 1e-9)  # SAFE: floored, report only
    log.info("pure premium mean %.2f, decile lift %.2f", premium.mean(), lift)


if __name__ == "__main__":
    main()
