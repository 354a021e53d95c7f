import argparse
import numpy as np
import tensorflow as tf
from ppo import PPO, RewardScaler, gae, explained_variance


def rollout(env, agent, scaler, obs, steps):
    O, A, L, R, D, V = [], [], [], [], [], []
    for _ in range(steps):
        a, lp = agent.actor.sample(tf.constant(obs[None], tf.float32))
        V.append(float(agent.critic(tf.constant(obs[None], tf.float32))[0]))
        nxt, r, term, trunc, _ = env.step(np.clip(a[0].numpy(), -1, 1))
        O.append(obs); A.append(a[0].numpy()); L.append(float(lp[0]))
        R.append(scaler(r, float(term or trunc))); D.append(float(term or trunc))
        obs = env.reset()[0] if term or trunc else nxt
    last = float(agent.critic(tf.constant(obs[None], tf.float32))[0])
    R, D, V = (np.array(z, "float32") for z in (R, D, V))
    adv, ret = gae(R, V, D, last)
    return (np.array(O, "float32"), np.array(A, "float32"), np.array(L, "float32"), adv, ret), V, obs


def main():
    import gymnasium as gym
    p = argparse.ArgumentParser()
    p.add_argument("--env", default="BipedalWalker-v3")
    p.add_argument("--iters", type=int, default=500)
    p.add_argument("--horizon", type=int, default=2048)
    p.add_argument("--lr", type=float, default=3e-4)
    a = p.parse_args()
    env = gym.make(a.env)
    agent = PPO(env.observation_space.shape[0], env.action_space.shape[0], lr=a.lr)
    scaler, obs = RewardScaler(), env.reset(seed=0)[0]
    for it in range(a.iters):
        agent.opt.learning_rate.assign(a.lr * (1.0 - it / a.iters))  # SAFE: iters is 500 and the loop does not run when it is 0
        data, v, obs = rollout(env, agent, scaler, obs, a.horizon)
        loss, kl, ep = agent.update(data)
        print(it, loss, kl, ep, explained_variance(data[-1], v))


if __name__ == "__main__":
    main()
