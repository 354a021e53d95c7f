import argparse

INT_COLS = ["I%d" % i for i in range(1, 14)]
CAT_COLS = ["C%d" % i for i in range(1, 27)]
DEFAULTS = [[0.0]] + [[0.0]] * len(INT_COLS) + [[""]] * len(CAT_COLS)
COLUMNS = ["label"] + INT_COLS + CAT_COLS


def parse_args(argv=None):
    p = argparse.ArgumentParser(description="Click prediction on the Criteo display data")
    p.add_argument("--train", default="criteo/train.tsv")
    p.add_argument("--valid", default="criteo/valid.tsv")
    p.add_argument("--buckets", type=int, default=100000)
    p.add_argument("--dim", type=int, default=16)
    p.add_argument("--bottom", type=int, nargs="+", default=[128, 64])
    p.add_argument("--top", type=int, nargs="+", default=[256, 64])
    p.add_argument("--batch", type=int, default=2048)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--optimizer", default="adagrad", choices=["adagrad", "adam"])
    p.add_argument("--epochs", type=int, default=1)
    p.add_argument("--calibration_weight", type=float, default=0.1)
    p.add_argument("--hist_weight", type=float, default=0.05)
    p.add_argument("--out", default="out")
    return p.parse_args(argv)
