import argparse


def get_parser():
    p = argparse.ArgumentParser()
    p.add_argument('--data', type=str, default='trajectories.npz')
    p.add_argument('--num_mixture', type=int, default=10)
    p.add_argument('--hidden', type=int, default=128)
    p.add_argument('--window', type=int, default=8)
    p.add_argument('--batch_size', type=int, default=100)
    p.add_argument('--num_epochs', type=int, default=50)
    p.add_argument('--learning_rate', type=float, default=0.005)
    p.add_argument('--decay_rate', type=float, default=0.95)
    p.add_argument('--grad_clip', type=float, default=10.)
    p.add_argument('--data_scale', type=float, default=20.)
    p.add_argument('--end_weight', type=float, default=0.1)
    p.add_argument('--save_dir', type=str, default='save')
    return p
