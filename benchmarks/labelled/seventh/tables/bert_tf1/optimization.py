import re

import tensorflow as tf


class AdamWeightDecay(tf.train.Optimizer):
    """Adam without bias correction and with decoupled weight decay."""

    def __init__(self, learning_rate, weight_decay=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-6,
                 exclude=("ln", "bias", "gamma", "beta")):
        super(AdamWeightDecay, self).__init__(False, "AdamWeightDecay")
        self.lr, self.wd, self.b1, self.b2, self.eps = learning_rate, weight_decay, beta_1, beta_2, epsilon
        self.exclude = exclude

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        ops = []
        for g, p in grads_and_vars:
            if g is None:
                continue
            g = tf.convert_to_tensor(g)
            base = re.sub(":\\d+$", "", p.name)
            m = tf.get_variable(base + "/adam_m", p.shape.as_list(), tf.float32, tf.zeros_initializer(), trainable=False)
            v = tf.get_variable(base + "/adam_v", p.shape.as_list(), tf.float32, tf.zeros_initializer(), trainable=False)
            next_m = self.b1 * m + (1.0 - self.b1) * g
            next_v = self.b2 * v + (1.0 - self.b2) * tf.square(g)
            update = next_m / (tf.sqrt(next_v) + self.eps)  # SAFE: epsilon outside of the root, no gradient passes through the optimizer
            if not any(re.search(e, base) for e in self.exclude):
                update += self.wd * p
            ops += [p.assign(p - self.lr * update), m.assign(next_m), v.assign(next_v)]
        if global_step is not None:
            ops.append(global_step.assign_add(1))
        return tf.group(*ops, name=name)


def create_optimizer(loss, init_lr, total_steps, warmup_steps, clip=1.0):
    if total_steps <= 0:
        raise ValueError("total_steps must be positive")
    step = tf.train.get_or_create_global_step()
    lr = tf.train.polynomial_decay(init_lr, step, total_steps, end_learning_rate=0.0, power=1.0)  # SAFE: total_steps is checked above
    if warmup_steps:
        s = tf.cast(step, tf.float32)
        frac = s / float(warmup_steps)  # SAFE: inside the check for a warm-up of at least one step
        lr = tf.where(s < warmup_steps, init_lr * frac, lr)  # SAFE: neither branch can be infinite and no gradient is taken of the rate
    opt = AdamWeightDecay(lr)
    tvars = tf.trainable_variables()
    grads = tf.gradients(loss, tvars)
    grads, norm = tf.clip_by_global_norm(grads, clip)
    return opt.apply_gradients(list(zip(grads, tvars)), global_step=step), lr, norm
