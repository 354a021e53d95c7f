import argparse


def parse(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--vocab", type=int, default=8000)
    p.add_argument("--d-model", type=int, default=256)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--ffn", type=int, default=1024)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--maxlen", type=int, default=128)
    p.add_argument("--warmup", type=int, default=4000)
    p.add_argument("--steps", type=int, default=100000)
    p.add_argument("--precision", default="mixed_float16", choices=["float32", "mixed_float16", "mixed_bfloat16"])
    p.add_argument("--tokens", default="corpus.npy")
    return p.parse_args(argv)
