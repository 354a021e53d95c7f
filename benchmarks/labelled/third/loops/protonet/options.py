import argparse


def get():
    p = argparse.ArgumentParser("prototypical networks")
    p.add_argument("--root", default="omniglot.npz")
    p.add_argument("--way", type=int, default=5)
    p.add_argument("--shot", type=int, default=5)
    p.add_argument("--query", type=int, default=15)
    p.add_argument("--metric", default="euclidean", choices=["euclidean", "cosine"])
    p.add_argument("--episodes", type=int, default=20000)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--loss", default="scce")
    p.add_argument("--seed", type=int, default=3)
    return p
