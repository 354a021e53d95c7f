import argparse


def get_options(argv=None):
    p = argparse.ArgumentParser("Human activity recognition from accelerometer windows")
    p.add_argument("--root", default="wisdm")
    p.add_argument("--window", type=int, default=128)
    p.add_argument("--stride", type=int, default=64)
    p.add_argument("--filters", type=int, default=64)
    p.add_argument("--batch-size", type=int, default=256)
    p.add_argument("--lr", type=float, default=0.1, help="SGD learning rate")
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--reduction", default="sum", choices=["sum", "sum_over_batch_size"])
    p.add_argument("--epochs", type=int, default=40)
    return p.parse_args(argv)
