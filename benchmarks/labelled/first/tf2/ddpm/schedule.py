import math
import numpy as np
import tensorflow as tf


def linear_betas(T, lo=1e-4, hi=0.02):
    return np.linspace(lo, hi, T)


def cosine_betas(T, s=0.008):
    t = np.arange(T + 1) / T  # SAFE: number of steps is a positive constant
    f = np.cos((t + s) / (1 + s) * math.pi / 2) ** 2  # SAFE: s is 0.008
    ab = f / f[0]  # SAFE: cos of nearly 0
    return np.clip(1 - ab[1:] / ab[:-1], 0, 0.999)  # SAFE: only the last entry of ab gets near 0 and it is never below the line


class Diffusion:
    def __init__(self, T=1000, kind="linear"):
        self.T = T
        b = linear_betas(T) if kind == "linear" else cosine_betas(T)
        a = 1.0 - b
        ab = np.cumprod(a)
        prev = np.append(1.0, ab[:-1])
        f = lambda v: tf.constant(v, tf.float32)
        self.beta = f(b)
        self.sqrt_ab = f(np.sqrt(ab))  # SAFE: products of numbers in (0, 1)
        self.sqrt_1mab = f(np.sqrt(1 - ab))  # SAFE: same
        self.rsqrt_a = f(1.0 / np.sqrt(a))  # SAFE: alpha is at least 0.001
        post = b * (1 - prev) / (1 - ab)  # SAFE: 1 - ab is at least the first beta
        self.post_logvar = f(np.log(np.maximum(post, 1e-20)))  # SAFE: maximum, the first one is 0
        self.post_logvar_raw = np.log(np.append(post[1], post[1:]))  # SAFE: first entry replaced by the second
        self.snr = f(ab / (1 - ab))  # SAFE: 1 - ab positive
        self.p2 = f(1.0 / (1.0 + ab / (1 - ab)))  # SAFE: 1 + positive

    def take(self, arr, t):
        return tf.reshape(tf.gather(arr, t), [-1, 1, 1, 1])

    def q_sample(self, x0, t, noise):
        return self.take(self.sqrt_ab, t) * x0 + self.take(self.sqrt_1mab, t) * noise

    def x0_from_eps(self, xt, t, eps):
        return (xt - self.take(self.sqrt_1mab, t) * eps) / self.take(self.sqrt_ab, t)  # SAFE: smallest sqrt_ab is 6e-3 for linear, 1e-5 or so for cosine

    def p_mean(self, xt, t, eps):
        return self.take(self.rsqrt_a, t) * (xt - self.take(self.beta, t) / self.take(self.sqrt_1mab, t) * eps)  # SAFE: sqrt(1-ab) >= 0.01
