import argparse

EPS = 1e-8


def parse_args(argv=None):
    p = argparse.ArgumentParser(description="Conditional VAE on binarised digits")
    p.add_argument("--data", default="mnist.npz")
    p.add_argument("--dim_z", type=int, default=20)
    p.add_argument("--n_hidden", type=int, default=500)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--epochs", type=int, default=20)
    p.add_argument("--batch", type=int, default=128)
    p.add_argument("--warmup", type=int, default=2000, help="steps of KL annealing")
    p.add_argument("--keep_prob", type=float, default=0.9)
    p.add_argument("--logdir", default="results")
    args = p.parse_args(argv)
    if args.warmup < 1:
        p.error("--warmup must be at least 1")
    return args
