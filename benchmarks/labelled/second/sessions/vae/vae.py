import tensorflow as tf


def gaussian_mlp_encoder(x, n_hidden, n_output, keep_prob):
    with tf.variable_scope("gaussian_encoder"):
        w_init = tf.variance_scaling_initializer()
        b_init = tf.constant_initializer(0.0)
        w0 = tf.get_variable("w0", [x.get_shape()[1], n_hidden], initializer=w_init)
        b0 = tf.get_variable("b0", [n_hidden], initializer=b_init)
        h0 = tf.nn.dropout(tf.nn.elu(tf.matmul(x, w0) + b0), keep_prob)
        w1 = tf.get_variable("w1", [n_hidden, n_hidden], initializer=w_init)
        b1 = tf.get_variable("b1", [n_hidden], initializer=b_init)
        h1 = tf.nn.dropout(tf.nn.tanh(tf.matmul(h0, w1) + b1), keep_prob)
        wo = tf.get_variable("wo", [n_hidden, n_output * 2], initializer=w_init)
        bo = tf.get_variable("bo", [n_output * 2], initializer=b_init)
        params = tf.matmul(h1, wo) + bo
        mean = params[:, :n_output]
        stddev = 1e-6 + tf.nn.softplus(params[:, n_output:])
    return mean, stddev


def bernoulli_mlp_decoder(z, n_hidden, n_output, keep_prob, reuse=False):
    with tf.variable_scope("bernoulli_decoder", reuse=reuse):
        w_init = tf.variance_scaling_initializer()
        b_init = tf.constant_initializer(0.0)
        w0 = tf.get_variable("w0", [z.get_shape()[1], n_hidden], initializer=w_init)
        b0 = tf.get_variable("b0", [n_hidden], initializer=b_init)
        h0 = tf.nn.dropout(tf.nn.tanh(tf.matmul(z, w0) + b0), keep_prob)
        w1 = tf.get_variable("w1", [n_hidden, n_hidden], initializer=w_init)
        b1 = tf.get_variable("b1", [n_hidden], initializer=b_init)
        h1 = tf.nn.dropout(tf.nn.elu(tf.matmul(h0, w1) + b1), keep_prob)
        wo = tf.get_variable("wo", [n_hidden, n_output], initializer=w_init)
        bo = tf.get_variable("bo", [n_output], initializer=b_init)
        return tf.sigmoid(tf.matmul(h1, wo) + bo)


def kl_standard_normal(mu, sigma):
    return 0.5 * tf.reduce_sum(
        tf.square(mu) + tf.square(sigma) - tf.log(1e-8 + tf.square(sigma)) - 1, 1)  # SAFE: sigma is softplus + 1e-6 and 1e-8 is added inside the log


def autoencoder(x_hat, x, dim_img, dim_z, n_hidden, keep_prob):
    mu, sigma = gaussian_mlp_encoder(x_hat, n_hidden, dim_z, keep_prob)
    z = mu + sigma * tf.random_normal(tf.shape(mu), 0, 1, dtype=tf.float32)
    y = bernoulli_mlp_decoder(z, n_hidden, dim_img, keep_prob)
    y = tf.clip_by_value(y, 1e-8, 1 - 1e-8)

    marginal_likelihood = tf.reduce_sum(
        x * tf.log(y)  # SAFE: y is clipped to at least 1e-8
        + (1 - x) * tf.log(1 - y), 1)  # BUG: weak-guard, 1 - 1e-8 is 1.0 in float32 so a saturated sigmoid gives log(0)
    kl = kl_standard_normal(mu, sigma)
    marginal_likelihood = tf.reduce_mean(marginal_likelihood)
    kl = tf.reduce_mean(kl)
    return y, z, kl - marginal_likelihood, -marginal_likelihood, kl


def decoder(z, dim_img, n_hidden):
    return bernoulli_mlp_decoder(z, n_hidden, dim_img, 1.0, reuse=True)
