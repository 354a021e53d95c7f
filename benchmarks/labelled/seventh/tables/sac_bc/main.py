"""Pretrain on joystick recordings, then go on with SAC in the simulator."""
import argparse

import numpy as np
import tensorflow as tf

from agent import SAC
from replay import ActionScaler, Replay, RunningNorm, load_demos


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--demos", default="demos.npz")
    p.add_argument("--gamma", type=float, default=0.99)
    p.add_argument("--tau", type=float, default=0.005)
    p.add_argument("--lr", type=float, default=3e-4)
    p.add_argument("--bc-steps", dest="bc_steps", type=int, default=5000)
    p.add_argument("--sac-steps", dest="sac_steps", type=int, default=200000)
    p.add_argument("--batch", type=int, default=256)
    return p.parse_args()


class Pendulum:
    low, high = np.array([-2.0]), np.array([2.0])

    def reset(self):
        self.th, self.w, self.t = np.random.uniform(-np.pi, np.pi), np.random.uniform(-1, 1), 0
        return self._obs()

    def _obs(self):
        return np.array([np.cos(self.th), np.sin(self.th), self.w])

    def step(self, a):
        u = float(np.clip(a, self.low, self.high)[0])
        ang = (self.th + np.pi) % (2 * np.pi) - np.pi
        cost = ang ** 2 + 0.1 * self.w ** 2 + 0.001 * u ** 2
        self.w = np.clip(self.w + (15 * np.sin(self.th) + 3 * u) * 0.05, -8, 8)
        self.th += self.w * 0.05
        self.t += 1
        return self._obs(), -cost, self.t >= 200


def pretrain(agent, demos, norm, scaler, steps, batch, rng):
    obs = norm(demos["obs"])
    act = scaler.to_unit(demos["act"]).astype(np.float32)
    for i in range(steps):
        idx = rng.integers(0, len(obs), batch)
        nll = agent.update_bc(tf.constant(obs[idx]), tf.constant(act[idx]))
        if i % 500 == 0:
            print("bc", i, float(nll))


def online(agent, env, norm, scaler, args, rng):
    buf = Replay(3, 1, 100000)
    o, ret, returns = env.reset(), 0.0, []
    for step in range(args.sac_steps):
        u = agent.act(norm(o))
        o2, r, done = env.step(scaler.to_env(u))
        buf.add(o, u, r, o2, 0.0)
        ret += r
        o = o2
        if done:
            returns.append(ret)
            o, ret = env.reset(), 0.0
        if buf.n > 1000:
            norm.update(buf.obs[rng.integers(0, buf.n, 64)])
            idx, w = buf.sample(args.batch)
            closs, td = agent.update_critic(norm(buf.obs[idx]), buf.act[idx], buf.rew[idx],
                                            norm(buf.nxt[idx]), buf.done[idx], w)
            buf.set_priorities(idx, td.numpy())
            aloss, alpha = agent.update_actor(norm(buf.obs[idx]))
            if step % 1000 == 0:
                print(step, float(closs), float(aloss), float(alpha), np.mean(returns[-10:] or [0.0]))


def main():
    args = parse()
    rng = np.random.default_rng(0)
    env = Pendulum()
    demos = load_demos(args.demos)
    norm, scaler = RunningNorm(3), ActionScaler(env.low, env.high)
    norm.update(demos["obs"])
    agent = SAC(3, 1, args)
    pretrain(agent, demos, norm, scaler, args.bc_steps, args.batch, rng)
    online(agent, env, norm, scaler, args, rng)
    agent.actor.save_weights("actor.weights.h5")


if __name__ == "__main__":
    main()
