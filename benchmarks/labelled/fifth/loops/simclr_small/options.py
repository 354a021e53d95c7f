import argparse


def parse(argv=None):
    p = argparse.ArgumentParser(description="SimCLR pre-training on small images")
    g = p.add_argument_group("data")
    g.add_argument("--images", default="unlabeled.npy", help="uint8 array N x 32 x 32 x 3")
    g.add_argument("--batch", type=int, default=256)
    g = p.add_argument_group("model")
    g.add_argument("--width", type=int, default=32)
    g.add_argument("--proj-dim", type=int, default=128)
    g = p.add_argument_group("loss")
    g.add_argument("--temperature", type=float, default=0.01)
    g.add_argument("--hard-beta", type=float, default=1.0, help="concentration of hard negatives")
    g.add_argument("--tau-plus", type=float, default=0.1, help="class prior")
    g = p.add_argument_group("optimisation")
    g.add_argument("--lr", type=float, default=0.05)
    g.add_argument("--momentum", type=float, default=0.9)
    g.add_argument("--epochs", type=int, default=200)
    g.add_argument("--warmup", type=int, default=10)
    p.add_argument("--workdir", default="work")
    a = p.parse_args(argv)
    assert 0.0 <= a.tau_plus < 0.5
    assert 0.0 <= a.hard_beta <= 2.0
    assert a.warmup > 0
    return a
