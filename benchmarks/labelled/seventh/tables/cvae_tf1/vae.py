import tensorflow as tf

from config import EPS


def _dense(x, n_out, name, activation=None):
    n_in = x.get_shape().as_list()[-1]
    with tf.variable_scope(name):
        w = tf.get_variable("w", [n_in, n_out],
                            initializer=tf.variance_scaling_initializer())
        b = tf.get_variable("b", [n_out], initializer=tf.constant_initializer(0.0))
        y = tf.matmul(x, w) + b
    return activation(y) if activation is not None else y


def gaussian_encoder(x, y, n_hidden, dim_z, keep_prob):
    with tf.variable_scope("gaussian_encoder", reuse=tf.AUTO_REUSE):
        h = tf.concat([x, y], axis=1)
        h = tf.nn.dropout(_dense(h, n_hidden, "h0", tf.nn.elu), keep_prob)
        h = tf.nn.dropout(_dense(h, n_hidden, "h1", tf.nn.tanh), keep_prob)
        stats = _dense(h, 2 * dim_z, "out")
        mean = stats[:, :dim_z]
        # the standard deviation must be positive
        stddev = 1e-6 + tf.nn.softplus(stats[:, dim_z:])
    return mean, stddev


def bernoulli_decoder(z, y, n_hidden, n_out, keep_prob):
    with tf.variable_scope("bernoulli_decoder", reuse=tf.AUTO_REUSE):
        h = tf.concat([z, y], axis=1)
        h = tf.nn.dropout(_dense(h, n_hidden, "h0", tf.nn.tanh), keep_prob)
        h = tf.nn.dropout(_dense(h, n_hidden, "h1", tf.nn.elu), keep_prob)
        return tf.sigmoid(_dense(h, n_out, "out"))


def kl_standard_normal(mu, sigma):
    return 0.5 * tf.reduce_sum(
        tf.square(mu) + tf.square(sigma) - tf.log(EPS + tf.square(sigma)) - 1, 1)  # SAFE: sigma >= 1e-6 and EPS is added to a number that can be small, not to one


def class_prior_kl(class_probs, prior):
    safe = tf.maximum(class_probs, 1e-6)
    return tf.reduce_sum(safe * (tf.log(safe) - tf.log(prior)), axis=1)  # SAFE: safe is floored and the prior is the constant 1/10


class ConditionalVAE(object):

    def __init__(self, args, dim_x=784, dim_y=10):
        self.args = args
        self.x_in = tf.placeholder(tf.float32, [None, dim_x], name="input_img")
        self.x = tf.placeholder(tf.float32, [None, dim_x], name="target_img")
        self.y = tf.placeholder(tf.float32, [None, dim_y], name="label")
        self.z_in = tf.placeholder(tf.float32, [None, args.dim_z], name="latent")
        self.keep_prob = tf.placeholder_with_default(1.0, [], name="keep_prob")
        self.step = tf.train.get_or_create_global_step()
        self._build(dim_x)

    def _build(self, dim_x):
        a = self.args
        mu, sigma = gaussian_encoder(self.x_in, self.y, a.n_hidden, a.dim_z, self.keep_prob)
        z = mu + sigma * tf.random_normal(tf.shape(mu), 0, 1, dtype=tf.float32)
        x_ = bernoulli_decoder(z, self.y, a.n_hidden, dim_x, self.keep_prob)
        self.x_hat = tf.clip_by_value(x_, EPS, 1 - EPS)

        aux = tf.nn.softmax(_dense(z, 10, "aux"))
        uniform = tf.fill(tf.shape(aux), 0.1)
        self.aux_kl = tf.reduce_mean(class_prior_kl(aux, uniform))

        self.marginal_likelihood = tf.reduce_mean(self._log_likelihood())
        self.kl = tf.reduce_mean(kl_standard_normal(mu, sigma))
        beta = tf.minimum(1.0, tf.cast(self.step, tf.float32) / float(a.warmup))  # SAFE: warmup below one is refused by parse_args
        self.elbo = self.marginal_likelihood - beta * self.kl
        self.loss = -self.elbo + 0.1 * self.aux_kl

        self.generated = bernoulli_decoder(self.z_in, self.y, a.n_hidden, dim_x, 1.0)
        opt = tf.train.AdamOptimizer(a.lr)
        gvs = [(g, v) for g, v in opt.compute_gradients(self.loss) if g is not None]
        grads, tvars = zip(*gvs)
        grads, self.grad_norm = tf.clip_by_global_norm(grads, 100.0)
        self.train_op = opt.apply_gradients(zip(grads, tvars), global_step=self.step)

    def _log_likelihood(self):
        on = self.x * tf.log(self.x_hat)  # SAFE: x_hat is clipped to EPS from below
        off = (1 - self.x) * tf.log(1 - self.x_hat)  # BUG: weak-guard, 1 - 1e-8 is 1.0 in float32 so the upper clip does nothing
        return tf.reduce_sum(on + off, 1)
