"""Train on the floor simulator. `floorsim` is our in-house C++ binding."""
import argparse
import csv
import os

import numpy as np

import conf
from agent import Agent, epsilon, smooth
from replay import PrioritisedReplay


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--layout", default="layouts/dc4.json")
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--out", default="dqn_out")
    args = ap.parse_args()
    import floorsim
    env = floorsim.Floor(args.layout, crop=conf.GRID, seed=args.seed)
    rng = np.random.default_rng(args.seed)
    agent = Agent(**conf.AGENT)
    memory = PrioritisedReplay(frame_shape=(conf.GRID, conf.GRID, conf.CHANNELS), **conf.REPLAY)
    os.makedirs(args.out, exist_ok=True)
    log = csv.writer(open(os.path.join(args.out, "progress.csv"), "w", newline=""))
    log.writerow(["step", "return", "picks_per_hour", "loss"])

    frame, returns, losses = env.reset(), [], []
    total, picks, length = 0.0, 0, 0
    before = frame
    for step in range(1, conf.TOTAL_STEPS + 1):
        state = np.concatenate([before, np.zeros_like(before)], axis=-1)
        action = agent.act(state, epsilon(step, **conf.EXPLORE), rng)
        nxt, reward, done, info = env.step(action)
        memory.add(frame, action, np.clip(reward, -1.0, 1.0), nxt, float(done))  # SAFE: rewards clipped to one
        total, picks, length = total + reward, picks + info["picks"], length + 1
        before = frame = nxt
        if step >= conf.LEARN_START and step % 4 == 0:
            losses.append(agent.learn(memory, step, rng))
        if done:
            returns.append(total)
            log.writerow([step, smooth(returns), 3600.0 * picks / length, smooth(losses)])  # SAFE: length counts the step just made
            frame = before = env.reset()
            total, picks, length = 0.0, 0, 0
        if step % 50_000 == 0:
            agent.net.save_weights(os.path.join(args.out, "net_%d.weights.h5" % step))


if __name__ == "__main__":
    main()
