import argparse

EPSILON = 1e-7


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument('--train', default='criteo/train.txt')
    p.add_argument('--valid', default='criteo/valid.txt')
    p.add_argument('--hash', type=int, default=1000003)
    p.add_argument('--k', type=int, default=8)
    p.add_argument('--layers', default='400,400,400')
    p.add_argument('--lr', type=float, default=5e-4)
    p.add_argument('--l2', type=float, default=1e-5)
    p.add_argument('--keep', type=float, default=0.5)
    p.add_argument('--batch', type=int, default=4096)
    p.add_argument('--epochs', type=int, default=3)
    p.add_argument('--loss', default='logloss', choices=['logloss', 'fused', 'clipped', 'focal'])
    return p.parse_args()
