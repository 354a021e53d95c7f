import tensorflow as tf


def warmup_linear(step, total, warmup, peak):
    step = tf.cast(step, tf.float32)
    up = step / float(max(warmup, 1))  # SAFE: the number of warmup steps is floored at one
    down = tf.maximum(0.0, 1.0 - step / float(max(total, 1)))
    return peak * tf.minimum(up, down)


class AdamW(object):

    def __init__(self, lr, beta1=0.9, beta2=0.999, eps=1e-6, decay=0.01):
        self.lr, self.b1, self.b2, self.eps, self.decay = lr, beta1, beta2, eps, decay

    def apply(self, grads_and_vars, step):
        ops = []
        for g, v in grads_and_vars:
            name = v.op.name
            m = tf.get_variable(name + "/adam_m", v.shape.as_list(), tf.float32,
                                tf.zeros_initializer(), trainable=False)
            s = tf.get_variable(name + "/adam_v", v.shape.as_list(), tf.float32,
                                tf.zeros_initializer(), trainable=False)
            g = tf.convert_to_tensor(g)
            m2 = self.b1 * m + (1.0 - self.b1) * g
            s2 = self.b2 * s + (1.0 - self.b2) * tf.square(g)
            update = m2 / (tf.sqrt(s2) + self.eps)  # SAFE: second moments are non-negative float32 and eps is added to the root
            if "bias" not in name and "gamma" not in name and "beta" not in name:
                update += self.decay * v
            ops += [v.assign_sub(self.lr * update), m.assign(m2), s.assign(s2)]
        return tf.group(*(ops + [step.assign_add(1)]))


def create_train_op(loss, cfg, total_steps, warmup_steps, peak=1e-4):
    step = tf.train.get_or_create_global_step()
    tvars = tf.trainable_variables()
    grads = tf.gradients(loss * cfg.loss_scale, tvars)
    grads = [tf.convert_to_tensor(g) / cfg.loss_scale for g in grads]  # SAFE: loss scale is the positive constant 1024
    clipped, norm = tf.clip_by_global_norm(grads, 1.0)
    opt = AdamW(warmup_linear(step, total_steps, warmup_steps, peak))
    return opt.apply(list(zip(clipped, tvars)), step), step, norm, grads
