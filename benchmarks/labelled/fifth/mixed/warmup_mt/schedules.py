import tensorflow as tf

Base = tf.keras.optimizers.schedules.LearningRateSchedule


class LinearWarmupDecay(Base):
    def __init__(self, peak, warmup, total):
        super().__init__()
        self.peak = peak
        self.warmup = tf.cast(warmup, tf.float32)
        self.total = tf.cast(total, tf.float32)

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rising = step / self.warmup  # BUG: div-zero, options default --warmup-steps 0; the first step is 0/0 and minimum keeps the NaN
        falling = (self.total - step) / tf.maximum(self.total - self.warmup, 1.0)  # SAFE: maximum with 1
        return self.peak * tf.maximum(tf.minimum(rising, falling), 0.0)


class Noam(Base):
    def __init__(self, d_model, warmup, factor=1.0):
        super().__init__()
        self.scale = factor * d_model ** -0.5
        self.warmup = float(max(warmup, 1))

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        return self.scale * tf.minimum(tf.math.rsqrt(step), step * self.warmup ** -1.5)  # SAFE: at step 0 rsqrt is Inf but the minimum takes the other side, 0


class Polynomial(Base):
    def __init__(self, lr, total, power):
        super().__init__()
        self.lr, self.total, self.power = lr, float(total), power

    def __call__(self, step):
        left = 1.0 - tf.minimum(tf.cast(step, tf.float32), self.total) / self.total  # SAFE: total is 20000 by default, used as number of steps
        return self.lr * tf.pow(tf.maximum(left, 1e-6), self.power)  # SAFE: the base is at least 1e-6


def make(opt):
    if opt.schedule == "linear":
        return LinearWarmupDecay(opt.lr, opt.warmup_steps, opt.total_steps)
    if opt.schedule == "noam":
        return Noam(opt.d_model, max(opt.warmup_steps, 400))
    return Polynomial(opt.lr, opt.total_steps, opt.poly_power)
