import argparse
import os

import numpy as np
import tensorflow as tf

from agent import SAC
from buffer import ReplayBuffer, RunningNorm
from config import SACConfig


def evaluate(env, agent, norm, episodes=5):
    returns = []
    for _ in range(episodes):
        o, _ = env.reset()
        total, done = 0.0, False
        while not done:
            a = agent.pi.deterministic(norm(o)[None]).numpy()[0]
            o, r, term, trunc, _ = env.step(a)
            total += r
            done = term or trunc
        returns.append(total)
    return float(np.mean(returns))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--env", default=None)
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    cfg = SACConfig(seed=args.seed)
    if args.env:
        cfg.env_id = args.env

    import gymnasium as gym
    env, test_env = gym.make(cfg.env_id), gym.make(cfg.env_id)
    np.random.seed(cfg.seed)
    tf.random.set_seed(cfg.seed)
    obs_dim = env.observation_space.shape[0]
    act_dim = env.action_space.shape[0]
    agent = SAC(obs_dim, act_dim, env.action_space.high[0], cfg)
    buf = ReplayBuffer(obs_dim, act_dim, cfg.replay_size)
    norm = RunningNorm(obs_dim, cfg.obs_clip)
    writer = tf.summary.create_file_writer(os.path.join(cfg.logdir, cfg.env_id))

    o, _ = env.reset(seed=cfg.seed)
    for step in range(cfg.total_steps):
        norm.update(o)
        if step < cfg.start_steps:
            a = env.action_space.sample()
        else:
            a = agent.pi.sample(norm(o)[None])[0].numpy()[0]
        o2, r, term, trunc, _ = env.step(a)
        buf.add(norm(o), a, r, norm(o2), float(term))
        o = o2
        if term or trunc:
            o, _ = env.reset()
        if step >= cfg.start_steps:
            q_loss, pi_loss, alpha = agent.update(*buf.sample(cfg.batch_size))
            if step % 1000 == 0:
                with writer.as_default(step=step):
                    tf.summary.scalar("loss/q", q_loss)
                    tf.summary.scalar("loss/pi", pi_loss)
                    tf.summary.scalar("alpha", alpha)
        if step % cfg.eval_every == 0 and step > cfg.start_steps:
            print(step, evaluate(test_env, agent, norm))


if __name__ == "__main__":
    main()
