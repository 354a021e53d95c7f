import argparse
import json
import os

import tensorflow.compat.v1 as tf

import features
from model import model_fn

tf.disable_v2_behavior()


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--train-csv", required=True)
    p.add_argument("--eval-csv", required=True)
    p.add_argument("--job-dir", required=True)
    p.add_argument("--batch-size", type=int, default=1024)
    p.add_argument("--lr", type=float, default=2e-4)
    p.add_argument("--hidden", default="64,32")
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--train-steps", type=int, default=50000)
    return p.parse_args()


def main():
    args = get_args()
    tf.logging.set_verbosity(tf.logging.INFO)
    train = features.read_csv(args.train_csv)
    evaluation = features.read_csv(args.eval_csv)
    scaler = features.fit_scaler(train)
    if not tf.gfile.Exists(args.job_dir):
        tf.gfile.MakeDirs(args.job_dir)
    with tf.gfile.GFile(os.path.join(args.job_dir, "scaler.json"), "w") as fh:
        json.dump(scaler, fh)
    params = {
        "scaler": scaler,
        "hidden": [int(u) for u in args.hidden.split(",")],
        "dropout": args.dropout,
        "lr": args.lr,
        "decay_steps": 5000,
    }
    config = tf.estimator.RunConfig(model_dir=args.job_dir, save_checkpoints_steps=2000,
                                    keep_checkpoint_max=3)
    est = tf.estimator.Estimator(model_fn, config=config, params=params)
    tf.estimator.train_and_evaluate(
        est,
        tf.estimator.TrainSpec(features.make_input_fn(train, args.batch_size, True),
                               max_steps=args.train_steps),
        tf.estimator.EvalSpec(features.make_input_fn(evaluation, args.batch_size, False), steps=None))


if __name__ == "__main__":
    main()
