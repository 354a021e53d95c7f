import tensorflow as tf


class Lamb2(tf.keras.optimizers.legacy.Optimizer):
    """small LAMB"""

    def __init__(self, lr=1e-3, b1=0.9, b2=0.999, epsilon=1e-6, name="Lamb2", **kw):
        super().__init__(name, **kw)
        self._set_hyper("learning_rate", lr)
        self.b1, self.b2, self.epsilon = b1, b2, epsilon

    def _create_slots(self, var_list):
        for v in var_list:
            self.add_slot(v, "m")
            self.add_slot(v, "v")

    def _resource_apply_dense(self, grad, var, apply_state=None):
        lr = self._get_hyper("learning_rate", var.dtype.base_dtype)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        t = tf.cast(self.iterations + 1, var.dtype)
        m.assign(self.b1 * m + (1 - self.b1) * grad)
        v.assign(self.b2 * v + (1 - self.b2) * tf.square(grad))
        mh = m / (1 - tf.pow(self.b1, t))  # SAFE: t starts at 1
        vh = v / (1 - tf.pow(self.b2, t))  # SAFE: t starts at 1
        upd = mh / (tf.sqrt(vh) + self.epsilon)  # SAFE: epsilon outside the root, updates are not differentiated
        wn, un = tf.norm(var), tf.norm(upd)
        ratio = tf.where(wn > 0, tf.where(un > 0, wn / un, 1.0), 1.0)  # SAFE: where picks 1 and nothing differentiates it
        return var.assign_sub(lr * ratio * upd)

    def get_config(self):
        return {**super().get_config(), "lr": self._serialize_hyperparameter("learning_rate"), "b1": self.b1, "b2": self.b2, "epsilon": self.epsilon}


class SignNorm(tf.keras.optimizers.legacy.Optimizer):
    """normalised gradient descent, one line from a blog"""

    def __init__(self, lr=1e-2, name="SignNorm", **kw):
        super().__init__(name, **kw)
        self._set_hyper("learning_rate", lr)

    def _resource_apply_dense(self, grad, var, apply_state=None):
        lr = self._get_hyper("learning_rate", var.dtype.base_dtype)
        return var.assign_sub(lr * grad / tf.norm(grad))  # BUG: div-zero, a dead layer gives a zero gradient, 0/0 goes straight into the weights

    def get_config(self):
        return {**super().get_config(), "lr": self._serialize_hyperparameter("learning_rate")}
