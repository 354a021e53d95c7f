import tensorflow as tf


def recon_nll(x, logits):
    """Bernoulli likelihood summed over the pixels."""
    x = tf.cast(x, tf.float32)
    logits = tf.cast(logits, tf.float32)
    ce = tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=logits)  # SAFE: logits form, float32
    return tf.reduce_sum(ce, axis=[1, 2, 3])


def gaussian_kl(mu, logvar):
    mu = tf.cast(mu, tf.float32)
    logvar = tf.clip_by_value(tf.cast(logvar, tf.float32), -10.0, 10.0)
    kl = -0.5 * (1.0 + logvar - tf.square(mu) - tf.exp(logvar))  # SAFE: float32 and clipped to [-10, 10]
    return tf.reduce_sum(kl, axis=1)


def decorrelation(mu, eps=1e-8):
    """squared off-diagonal correlations of the posterior means over the batch"""
    c = mu - tf.reduce_mean(mu, axis=0, keepdims=True)
    var = tf.reduce_mean(tf.square(c), axis=0, keepdims=True)
    u = c * tf.math.rsqrt(var + eps)  # BUG: weak-guard, mu is float16 where 1e-8 is 0 and the variance of a collapsed latent underflows to 0
    corr = tf.matmul(u, u, transpose_a=True) / tf.cast(tf.shape(mu)[0], u.dtype)  # SAFE: the batch is never empty (drop_remainder)
    off = tf.cast(corr, tf.float32) * (1.0 - tf.eye(tf.shape(mu)[1]))
    return tf.reduce_mean(tf.square(off))


def beta_at(step, warmup, beta_max):
    return beta_max * tf.minimum(1.0, tf.cast(step, tf.float32) / float(warmup))  # SAFE: warmup is the constant 5000


def psnr(x, y):
    mse = tf.reduce_mean(tf.square(x - y), axis=[1, 2, 3])
    return -10.0 * tf.math.log(mse + 1e-8) / tf.math.log(10.0)  # SAFE: mse + 1e-8 > 0 in float32, metric only
