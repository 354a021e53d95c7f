import argparse


def get_options(argv=None):
    p = argparse.ArgumentParser(description="Concrete strength from the mix design")
    p.add_argument("--csv", default="data/concrete.csv")
    p.add_argument("--hidden", type=int, nargs="+", default=[64, 64])
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--momentum", type=float, default=0.9)
    p.add_argument("--batch-size", type=int, default=32)
    p.add_argument("--epochs", type=int, default=200)
    p.add_argument("--delta", type=float, default=5.0)
    p.add_argument("--noise-floor", type=float, default=0.1)
    p.add_argument("--seed", type=int, default=3)
    return p.parse_args(argv)
