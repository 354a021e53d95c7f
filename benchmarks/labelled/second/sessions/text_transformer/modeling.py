import math

import tensorflow as tf


def fp32_getter(getter, name, shape=None, dtype=None, trainable=True, *args, **kw):
    """Keeps the master copy of a variable in float32."""
    stored = tf.float32 if trainable else dtype
    var = getter(name, shape, dtype=stored, trainable=trainable, *args, **kw)
    return tf.cast(var, dtype) if trainable and dtype != tf.float32 else var


def gelu(x):
    return x * 0.5 * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))  # MAYBE: the cube overflows float16 only for activations far larger than usual after layer norm


def layer_norm(x, eps, name):
    dtype = x.dtype
    with tf.variable_scope(name):
        n = x.get_shape().as_list()[-1]
        g = tf.get_variable("gamma", [n], tf.float32, initializer=tf.ones_initializer())
        b = tf.get_variable("beta", [n], tf.float32, initializer=tf.zeros_initializer())
        x = tf.cast(x, tf.float32)
        mean, var = tf.nn.moments(x, [-1], keep_dims=True)
        y = (x - mean) * tf.rsqrt(tf.maximum(var, 1e-5) + eps) * g + b  # SAFE: statistics are float32 and the variance is floored at 1e-5
        return tf.cast(y, dtype)


class TextClassifier(object):

    def __init__(self, cfg, is_training):
        self.cfg, self.is_training = cfg, is_training
        self.dtype = tf.as_dtype(cfg.compute_dtype)
        self.ids = tf.placeholder(tf.int32, [None, cfg.max_position], "ids")
        self.mask = tf.placeholder(tf.int32, [None, cfg.max_position], "mask")
        self.labels = tf.placeholder(tf.int32, [None], "labels")
        with tf.variable_scope("model", custom_getter=fp32_getter,
                               initializer=tf.truncated_normal_initializer(stddev=cfg.init_range)):
            self.logits = self._forward()
        self.loss = self._loss()

    def _dense(self, x, n, name, act=None):
        with tf.variable_scope(name):
            n_in = x.get_shape().as_list()[-1]
            w = tf.get_variable("kernel", [n_in, n], self.dtype)
            b = tf.get_variable("bias", [n], self.dtype, initializer=tf.zeros_initializer())
            y = tf.reshape(tf.matmul(tf.reshape(x, [-1, n_in]), w) + b,
                           tf.concat([tf.shape(x)[:-1], [n]], 0))
            y.set_shape(x.get_shape().as_list()[:-1] + [n])
            return act(y) if act else y

    def _drop(self, x):
        return tf.nn.dropout(x, rate=self.cfg.dropout) if self.is_training else x

    def _heads(self, x):
        c = self.cfg
        return tf.transpose(tf.reshape(
            x, [-1, c.max_position, c.num_heads, c.hidden_size // c.num_heads]), [0, 2, 1, 3])

    def _attention(self, x):
        c = self.cfg
        q, k, v = [self._heads(self._dense(x, c.hidden_size, n)) for n in ("query", "key", "value")]
        depth = float(c.hidden_size // c.num_heads)
        scores = tf.matmul(q, k, transpose_b=True) * (1.0 / math.sqrt(depth))  # SAFE: the head size is a positive constant
        keep = tf.cast(tf.reshape(self.mask, [-1, 1, 1, c.max_position]), self.dtype)
        scores += (1.0 - keep) * c.mask_value  # BUG: half, -1e9 is -inf in float16 and 0 * -inf is NaN for every token that is kept
        probs = tf.nn.softmax(tf.cast(scores, tf.float32))
        probs = self._drop(tf.cast(probs, self.dtype))
        ctx = tf.transpose(tf.matmul(probs, v), [0, 2, 1, 3])
        return self._dense(tf.reshape(ctx, [-1, c.max_position, c.hidden_size]), c.hidden_size, "out")

    def _forward(self):
        c = self.cfg
        table = tf.get_variable("word_embeddings", [c.vocab_size, c.hidden_size], self.dtype)
        pos = tf.get_variable("position_embeddings", [c.max_position, c.hidden_size], self.dtype)
        x = layer_norm(tf.nn.embedding_lookup(table, self.ids) + pos, c.layer_norm_eps, "ln_emb")
        for i in range(c.num_layers):
            with tf.variable_scope("layer_%d" % i):
                x = layer_norm(x + self._drop(self._attention(x)), c.layer_norm_eps, "ln_att")
                h = self._dense(x, c.ffn_size, "ffn_in", gelu)
                x = layer_norm(x + self._drop(self._dense(h, c.hidden_size, "ffn_out")),
                               c.layer_norm_eps, "ln_ffn")
        m = tf.expand_dims(tf.cast(self.mask, tf.float32), 2)
        pooled = tf.reduce_sum(tf.cast(x, tf.float32) * m, 1) / tf.reduce_sum(m, 1)  # SAFE: the first token is always CLS with mask 1
        return tf.layers.dense(pooled, c.num_labels, name="classifier")

    def _loss(self):
        logp = tf.nn.log_softmax(tf.cast(self.logits, tf.float32))
        onehot = tf.one_hot(self.labels, self.cfg.num_labels)
        self.probs = tf.exp(logp)  # SAFE: log_softmax is never positive
        return -tf.reduce_mean(tf.reduce_sum(onehot * logp, 1))
