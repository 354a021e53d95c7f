"""Zero inflated negative binomial likelihood."""
import tensorflow as tf

EPS = 1e-10


def _nan2inf(x):
    return tf.where(tf.math.is_nan(x), tf.fill(tf.shape(x), float("inf")), x)


def nb_nll(y, mu, theta):
    theta = tf.minimum(theta, 1e6)
    t1 = tf.math.lgamma(theta + EPS) + tf.math.lgamma(y + 1.0) - tf.math.lgamma(y + theta + EPS)  # SAFE: theta is at least 1e-4 (see DispAct), arguments are positive
    t2 = (theta + y) * tf.math.log1p(mu / (theta + EPS)) + y * (tf.math.log(theta + EPS) - tf.math.log(mu + EPS))  # SAFE: mu and theta are positive and 1e-10 is representable in float32
    return t1 + t2


def zinb_nll(y, mu, theta, pi, ridge=0.0):
    nb_case = nb_nll(y, mu, theta) - tf.math.log(1.0 - pi + EPS)  # SAFE: PiAct keeps pi at or below 1 - 1e-6, so the argument is positive
    theta = tf.minimum(theta, 1e6)
    zero_nb = tf.pow(theta / (theta + mu + EPS), theta)  # SAFE: base in (0, 1] and theta positive
    zero_case = -tf.math.log(pi + (1.0 - pi) * zero_nb + EPS)  # SAFE: 1e-10 is added, float32
    nll = tf.where(y < 1e-8, zero_case, nb_case)
    if ridge:
        nll += ridge * tf.square(pi)
    return tf.reduce_mean(nll)
