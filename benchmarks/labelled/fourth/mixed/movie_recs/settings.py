import argparse


def parse_args(argv=None):
    ap = argparse.ArgumentParser(description="two tower recommender with a rating head")
    ap.add_argument("--ratings", default="ml-1m/ratings.dat")
    ap.add_argument("--dim", type=int, default=32)
    ap.add_argument("--epochs", type=int, default=10)
    ap.add_argument("--batch", type=int, default=1024)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--temperature", type=float, default=0.07)
    ap.add_argument("--retrieval-weight", type=float, default=0.5)
    args = ap.parse_args(argv)
    if args.temperature < 0.01:
        ap.error("temperature must be at least 0.01")
    return args
