"""Run configuration for the continuous Bernoulli VAE."""
import argparse

LATENT_DIM = 16
LOGVAR_MIN = -8.0
LOGVAR_MAX = 4.0
HALF_WIDTH = 0.01


def get_args(argv=None):
    p = argparse.ArgumentParser("continuous bernoulli vae")
    p.add_argument("--data", default="data/mnist.npz")
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--batch-size", type=int, default=128)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--beta", type=float, default=1.0)
    p.add_argument("--warmup-epochs", type=int, default=5)
    p.add_argument("--hidden", type=int, default=400)
    p.add_argument("--outdir", default="runs/cbvae")
    args = p.parse_args(argv)
    if args.warmup_epochs < 1:
        p.error("--warmup-epochs must be >= 1")
    return args
