import argparse
import os
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()

from network import ACNetwork
from worker import GridWorld, Worker


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--episodes", type=int, default=20000)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--beta", type=float, default=0.01)
    p.add_argument("--grid", type=int, default=6)
    p.add_argument("--dir", default="a3c_ckpt")
    a = p.parse_args()
    tf.set_random_seed(0)
    net = ACNetwork(2 * a.grid * a.grid, 4, "global", tf.train.RMSPropOptimizer(a.lr, decay=0.99, epsilon=0.1), beta=a.beta)  # SAFE: RMSProp epsilon of 0.1 under the root
    worker = Worker(GridWorld(a.grid), net)
    saver = tf.train.Saver(max_to_keep=3)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(a.episodes):
            loss, ent = worker.train(sess, worker.episode(sess))
            if ep % 200 == 0:
                print(ep, worker.smooth(), loss, ent)
        os.makedirs(a.dir, exist_ok=True)
        saver.save(sess, os.path.join(a.dir, "model"))


if __name__ == "__main__":
    main()
