"""REINFORCE with a baseline on FrozenLake (gym). Everything in one file."""
import gym
import numpy as np
import tensorflow as tf

env = gym.make('FrozenLake-v0')
n_states = env.observation_space.n
n_actions = env.action_space.n

GAMMA = 0.99
LR = 1e-2
EPISODES = 20000
MAX_STEPS = 100
ENTROPY_COEF = 0.01
EPS = 1e-6


def discount(rewards):
    out = np.zeros(len(rewards), dtype=np.float32)
    running = 0.
    for t in reversed(range(len(rewards))):
        running = rewards[t] + GAMMA * running
        out[t] = running
    return out


def discount_and_normalize(rewards):
    d = discount(rewards)
    d = d - np.mean(d)
    d /= np.std(d)  # BUG: div-zero, an episode without reward has all returns 0 -> 0/0 is fed
    return d


tf.reset_default_graph()
state_in = tf.placeholder(tf.int32, [None], name='state')
action_in = tf.placeholder(tf.int32, [None], name='action')
adv_in = tf.placeholder(tf.float32, [None], name='advantage')
return_in = tf.placeholder(tf.float32, [None], name='return')

onehot = tf.one_hot(state_in, n_states)
with tf.variable_scope('policy'):
    h = tf.layers.dense(onehot, 32, activation=tf.nn.tanh)
    probs = tf.layers.dense(h, n_actions, activation=tf.nn.softmax, name='probs')

with tf.variable_scope('value'):
    hv = tf.layers.dense(onehot, 32, activation=tf.nn.relu)
    value = tf.squeeze(tf.layers.dense(hv, 1), 1)

picked = tf.reduce_sum(probs * tf.one_hot(action_in, n_actions), axis=1)
log_picked = tf.log(picked)  # BUG: log-softmax, the sampled prob is > 0 when sampled but the gradient 1/p after update can be 1/0 (saturated softmax, reused batch)
entropy = -tf.reduce_sum(probs * tf.log(probs + EPS), axis=1)  # SAFE: epsilon 1e-6 in a module constant

policy_loss = -tf.reduce_mean(log_picked * adv_in)
value_loss = tf.reduce_mean(tf.square(return_in - value))
loss = policy_loss + 0.5 * value_loss - ENTROPY_COEF * tf.reduce_mean(entropy)

opt = tf.train.AdamOptimizer(LR)
tvars = tf.trainable_variables()
grads = tf.gradients(loss, tvars)
gnorm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(g)) for g in grads]))  # SAFE: norm of gradients, not differentiated
scale = 5.0 / tf.maximum(gnorm, 5.0)  # SAFE: denominator >= 5
train_op = opt.apply_gradients([(g * scale, v) for g, v in zip(grads, tvars)])

init = tf.global_variables_initializer()
saver = tf.train.Saver()

with tf.Session() as sess:
    sess.run(init)
    scores = []
    for ep in range(EPISODES):
        s = env.reset()
        states, actions, rewards = [], [], []
        for t in range(MAX_STEPS):
            p = sess.run(probs, {state_in: [s]})[0]
            p = p / p.sum()  # SAFE: softmax output, sums to about 1
            a = np.random.choice(n_actions, p=p)
            s2, r, done, _ = env.step(a)
            states.append(s)
            actions.append(a)
            rewards.append(r)
            s = s2
            if done:
                break
        adv = discount_and_normalize(rewards)
        ret = discount(rewards)
        for _ in range(3):  # reuse the episode a few times
            sess.run(train_op, {state_in: states, action_in: actions,
                                adv_in: adv, return_in: ret})
        scores.append(sum(rewards))
        if (ep + 1) % 500 == 0:
            recent = scores[-500:]
            print('episode', ep + 1, 'success rate', sum(recent) / float(len(recent)))  # SAFE: 500 entries
            saver.save(sess, './ckpt/lake', global_step=ep)
