import tensorflow as tf


class Attention(object):
    """Additive attention (Bahdanau et al.)."""

    def __init__(self, memory, memory_mask, dim, scope="attention"):
        self.memory = memory
        self.mask = memory_mask
        self.dim = dim
        with tf.variable_scope(scope):
            self.keys = tf.layers.dense(memory, dim, use_bias=False, name="keys")
            self.v = tf.get_variable("v", [dim], initializer=tf.random_uniform_initializer(-0.1, 0.1))
        self.scope = scope

    def __call__(self, query, reuse):
        with tf.variable_scope(self.scope, reuse=reuse):
            q = tf.layers.dense(query, self.dim, name="query")
            scores = tf.reduce_sum(self.v * tf.tanh(self.keys + tf.expand_dims(q, 1)), 2)
            scores -= tf.reduce_max(scores, axis=1, keepdims=True)
            weights = tf.exp(scores) * self.mask  # SAFE: the row maximum has been subtracted, the exponent is at most 0
            weights = weights / tf.reduce_sum(weights, axis=1, keepdims=True)  # BUG: div-zero, a blank source line has length 0 (no EOS on the source side), its mask is all zero and this is 0/0
            return tf.reduce_sum(tf.expand_dims(weights, 2) * self.memory, 1), weights


class Seq2Seq(object):

    def __init__(self, cfg, is_training=True):
        self.cfg = cfg
        self.is_training = is_training
        self.src = tf.placeholder(tf.int32, [None, cfg.max_src_len], name="src")
        self.src_len = tf.placeholder(tf.int32, [None], name="src_len")
        self.tgt_in = tf.placeholder(tf.int32, [None, cfg.max_tgt_len], name="tgt_in")
        self.tgt_out = tf.placeholder(tf.int32, [None, cfg.max_tgt_len], name="tgt_out")
        self.tgt_len = tf.placeholder(tf.int32, [None], name="tgt_len")
        with tf.variable_scope("seq2seq", initializer=tf.glorot_uniform_initializer()):
            memory, state = self._encode()
            self.logits = self._decode(memory, state)
        self.loss = self._loss()
        self._metrics()

    def _embed(self, ids, name):
        table = tf.get_variable(name, [self.cfg.vocab_size, self.cfg.embed_dim])
        emb = tf.nn.embedding_lookup(table, ids)
        if self.is_training:
            emb = tf.nn.dropout(emb, keep_prob=1.0 - self.cfg.dropout)  # SAFE: keep_prob is 0.8 from the config constant
        return emb

    def _encode(self):
        emb = self._embed(self.src, "src_embedding")
        half = self.cfg.hidden // 2
        fw = tf.nn.rnn_cell.GRUCell(half)
        bw = tf.nn.rnn_cell.GRUCell(half)
        outputs, states = tf.nn.bidirectional_dynamic_rnn(
            fw, bw, emb, sequence_length=self.src_len, dtype=tf.float32)
        return tf.concat(outputs, 2), tf.concat(states, 1)

    def _decode(self, memory, state):
        cfg = self.cfg
        mask = tf.sequence_mask(self.src_len, cfg.max_src_len, dtype=tf.float32)
        attention = Attention(memory, mask, cfg.attn_dim)
        emb = tf.unstack(self._embed(self.tgt_in, "tgt_embedding"), axis=1)
        cell = tf.nn.rnn_cell.GRUCell(cfg.hidden)
        outputs = []
        for t, inp in enumerate(emb):
            context, _ = attention(state, reuse=t > 0)
            with tf.variable_scope("decoder", reuse=t > 0):
                out, state = cell(tf.concat([inp, context], 1), state)
            outputs.append(tf.concat([out, context], 1))
        return tf.layers.dense(tf.stack(outputs, 1), cfg.vocab_size, name="projection")

    def _loss(self):
        cfg = self.cfg
        eps = cfg.label_smoothing
        onehot = tf.one_hot(self.tgt_out, cfg.vocab_size)
        soft = onehot * (1.0 - eps) + eps / cfg.vocab_size
        xent = tf.nn.softmax_cross_entropy_with_logits_v2(labels=soft, logits=self.logits)  # SAFE: raw projection outputs and smoothed one-hot labels
        w = tf.sequence_mask(self.tgt_len, cfg.max_tgt_len, dtype=tf.float32)
        return tf.reduce_sum(xent * w) / tf.reduce_sum(w)  # SAFE: every target has EOS appended so the weight sum is at least the batch size

    def _metrics(self):
        logp = tf.log(tf.nn.softmax(self.logits) + 1e-10)  # SAFE: 1e-10 keeps the log finite and this only feeds a summary
        self.entropy = -tf.reduce_mean(tf.reduce_sum(tf.exp(logp) * logp, -1))
        self.ppl = tf.exp(tf.minimum(self.loss, 50.0))  # SAFE: exponent is capped at 50
        tf.summary.scalar("loss", self.loss)
        tf.summary.scalar("ppl", self.ppl)
        tf.summary.scalar("entropy", self.entropy)
