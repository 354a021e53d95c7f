import argparse


def build_parser():
    p = argparse.ArgumentParser(description="Joint intent and slot model for edge accelerators")
    p.add_argument("--train", default="atis/train.npz")
    p.add_argument("--dev", default="atis/dev.npz")
    p.add_argument("--vocab", type=int, default=12000)
    p.add_argument("--dim", type=int, default=96)
    p.add_argument("--intents", type=int, default=24)
    p.add_argument("--slots", type=int, default=120)
    p.add_argument("--policy", default="mixed_float16", choices=["mixed_float16", "float32"])
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--adam_eps", type=float, default=1e-7)
    p.add_argument("--smooth", type=float, default=1e-8)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--epochs", type=int, default=20)
    return p
