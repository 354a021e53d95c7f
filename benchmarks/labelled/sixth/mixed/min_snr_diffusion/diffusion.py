import numpy as np
import tensorflow as tf

from schedules import get_betas


def _gather(table, t, ndim=4):
    v = tf.gather(table, t)
    return tf.reshape(v, [-1] + [1] * (ndim - 1))


class GaussianDiffusion:
    def __init__(self, timesteps=1000, schedule="cosine", snr_gamma=5.0):
        betas = get_betas(schedule, timesteps)
        alphas = 1.0 - betas
        ac = np.cumprod(alphas)
        ac_prev = np.append(1.0, ac[:-1])
        self.timesteps = timesteps
        self.snr_gamma = snr_gamma
        c = lambda a: tf.constant(a, tf.float32)
        self.betas = c(betas)
        self.alphas_cumprod = c(ac)
        self.sqrt_ac = c(np.sqrt(ac))
        self.sqrt_om_ac = c(np.sqrt(1.0 - ac))  # SAFE: ac is a product of numbers in [0, 1]; constant table, no gradient
        self.post_var = c(betas * (1.0 - ac_prev) / (1.0 - ac))  # SAFE: betas[0] > 0 so 1 - ac is never 0
        self.post_logvar = c(np.log(np.append(self.post_var[1], betas[1:] * (1 - ac_prev[1:]) / (1 - ac[1:]))))  # SAFE: the zero at t=0 is replaced by the entry at t=1
        self.post_c1 = c(betas * np.sqrt(ac_prev) / (1.0 - ac))  # SAFE: 1 - ac >= betas[0] > 0
        self.post_c2 = c((1.0 - ac_prev) * np.sqrt(alphas) / (1.0 - ac))

    def q_sample(self, x0, t, noise):
        return _gather(self.sqrt_ac, t) * x0 + _gather(self.sqrt_om_ac, t) * noise

    def predict_x0(self, x_t, t, eps):
        num = x_t - _gather(self.sqrt_om_ac, t) * eps
        x0 = num / tf.maximum(_gather(self.sqrt_ac, t), 1e-4)  # SAFE: sqrt_ac is floored before the division
        return tf.clip_by_value(x0, -1.0, 1.0)

    def loss_weights(self, t):
        ac = tf.gather(self.alphas_cumprod, t)
        snr = ac / (1.0 - ac)  # SAFE: ac <= 1 - betas[0] < 1 in float32 for both schedules
        return tf.minimum(snr, self.snr_gamma) / snr  # BUG: div-zero, cosine with max_beta=1.0 makes the last alphas_cumprod 0, so 0/0 at t=T-1

    def training_losses(self, model, x0, t, noise=None):
        if noise is None:
            noise = tf.random.normal(tf.shape(x0))
        x_t = self.q_sample(x0, t, noise)
        eps = model([x_t, t], training=True)
        mse = tf.reduce_mean(tf.square(noise - eps), axis=[1, 2, 3])
        return tf.reduce_mean(self.loss_weights(t) * mse)

    def p_sample(self, model, x, t_int):
        t = tf.fill([tf.shape(x)[0]], t_int)
        x0 = self.predict_x0(x, t, model([x, t], training=False))
        mean = _gather(self.post_c1, t) * x0 + _gather(self.post_c2, t) * x
        if t_int == 0:
            return mean
        std = tf.exp(0.5 * _gather(self.post_logvar, t))  # SAFE: log variances are constants at most log(1) = 0
        return mean + std * tf.random.normal(tf.shape(x))

    def sample(self, model, shape):
        x = tf.random.normal(shape)
        for t in reversed(range(self.timesteps)):
            x = self.p_sample(model, x, t)
        return x
