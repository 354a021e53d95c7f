"""Command line of the date translation toy ("3 march 2021" to "2021-03-03")."""
import argparse


def parser():
    p = argparse.ArgumentParser()
    g = p.add_argument_group("data")
    g.add_argument("--pairs", default="data/dates.tsv")
    g.add_argument("--max-len", type=int, default=24)
    g.add_argument("--batch-size", type=int, default=64)
    g = p.add_argument_group("model")
    g.add_argument("--d-model", type=int, default=64)
    g.add_argument("--heads", type=int, default=4)
    g.add_argument("--depth", type=int, default=2)
    g.add_argument("--dropout", type=float, default=0.1)
    g = p.add_argument_group("optimisation")
    g.add_argument("--epochs", type=int, default=20)
    g.add_argument("--schedule", default="linear", choices=["linear", "noam", "poly"])
    g.add_argument("--lr", type=float, default=1e-3)
    g.add_argument("--warmup-steps", type=int, default=0)
    g.add_argument("--total-steps", type=int, default=20000)
    g.add_argument("--poly-power", type=float, default=2.0)
    g.add_argument("--label-smoothing", type=float, default=0.1)
    g.add_argument("--out", default="runs/dates")
    return p


def parse(argv=None):
    return parser().parse_args(argv)
