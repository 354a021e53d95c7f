import tensorflow as tf

from inits import glorot, zeros

_UIDS = {}


def get_uid(name):
    _UIDS[name] = _UIDS.get(name, 0) + 1
    return _UIDS[name]


class Layer(object):

    def __init__(self, name=None, logging=False):
        base = self.__class__.__name__.lower()
        self.name = name or base + "_" + str(get_uid(base))
        self.vars = {}
        self.logging = logging

    def __call__(self, x):
        with tf.name_scope(self.name):
            out = self._call(x)
            if self.logging:
                tf.summary.histogram(self.name + "/outputs", out)
            return out


class GraphConvolution(Layer):

    def __init__(self, input_dim, output_dim, supports, keep_prob, act=tf.nn.relu, bias=True, **kw):
        super(GraphConvolution, self).__init__(**kw)
        self.supports, self.act, self.bias, self.keep_prob = supports, act, bias, keep_prob
        with tf.variable_scope(self.name + "_vars"):
            for i in range(len(supports)):
                self.vars["weights_%d" % i] = glorot([input_dim, output_dim], name="weights_%d" % i)
            if bias:
                self.vars["bias"] = zeros([output_dim], name="bias")  # SAFE: only the bias starts at zero, the weights are glorot

    def _call(self, x):
        x = tf.nn.dropout(x, self.keep_prob)
        out = tf.add_n([tf.matmul(s, tf.matmul(x, self.vars["weights_%d" % i]))
                        for i, s in enumerate(self.supports)])
        if self.bias:
            out += self.vars["bias"]
        return self.act(out)


class PairNorm(Layer):
    """Keeps the mean pairwise distance of the node features constant."""

    def __init__(self, scale=1.0, **kw):
        super(PairNorm, self).__init__(**kw)
        self.scale = scale

    def _call(self, x):
        x = x - tf.reduce_mean(x, axis=0, keepdims=True)
        mean_sq = tf.reduce_mean(tf.reduce_sum(tf.square(x), axis=1))
        return self.scale * x / tf.sqrt(1e-6 + mean_sq)  # SAFE: epsilon inside the root


class AttentionReadout(Layer):

    def __init__(self, dim, **kw):
        super(AttentionReadout, self).__init__(**kw)
        self.vars["a"] = glorot([dim, 1], name="a")

    def _call(self, x):
        e = tf.matmul(tf.tanh(x), self.vars["a"])
        e = e - tf.reduce_max(e, axis=0, keepdims=True)
        w = tf.exp(e)  # SAFE: the maximum is subtracted before
        w = w / tf.reduce_sum(w, axis=0, keepdims=True)  # SAFE: the largest term is exp(0) = 1
        return tf.reduce_sum(w * x, axis=0, keepdims=True)
