import tensorflow as tf

from layers import attention, copy_gate, layer_norm


class Seq2Seq(object):
    def __init__(self, cfg):
        self.cfg = cfg
        self.src = tf.placeholder(tf.int32, [None, None])
        self.src_len = tf.placeholder(tf.int32, [None])
        self.tgt_in = tf.placeholder(tf.int32, [None, cfg.max_len])
        self.tgt_out = tf.placeholder(tf.int32, [None, cfg.max_len])
        self.tgt_len = tf.placeholder(tf.int32, [None])
        self.keep = tf.placeholder_with_default(1.0, [])
        self.encode()
        self.decode()
        self.loss_op()
        self.train()

    def encode(self):
        c = self.cfg
        table = tf.get_variable('src_emb', [c.vocab_src, c.emb])
        x = tf.nn.dropout(tf.nn.embedding_lookup(table, self.src), self.keep)
        fw, bw = tf.contrib.rnn.GRUCell(c.hidden // 2), tf.contrib.rnn.GRUCell(c.hidden // 2)
        (a, b), (sa, sb) = tf.nn.bidirectional_dynamic_rnn(fw, bw, x, self.src_len, dtype=tf.float32)
        self.memory = layer_norm(tf.concat([a, b], 2), 'mem_ln')
        self.state0 = tf.concat([sa, sb], 1)
        self.src_mask = tf.sequence_mask(self.src_len, tf.shape(self.src)[1], dtype=tf.float32)

    def decode(self):
        c = self.cfg
        table = tf.get_variable('tgt_emb', [c.vocab_tgt, c.emb])
        emb = tf.unstack(tf.nn.embedding_lookup(table, self.tgt_in), axis=1)
        cell = tf.contrib.rnn.GRUCell(c.hidden)
        state = self.state0
        ctx = tf.zeros_like(state)
        cover = tf.zeros_like(self.src_mask)
        self.step_probs, self.cov_losses = [], []
        onehot_src = tf.one_hot(self.src, c.vocab_tgt)
        with tf.variable_scope('decoder') as scope:
            for t, e in enumerate(emb):
                if t > 0:
                    scope.reuse_variables()
                out, state = cell(tf.concat([e, ctx], 1), state)
                ctx, a = attention(out, self.memory, self.src_mask, c, t > 0)
                self.cov_losses.append(tf.reduce_sum(tf.minimum(a, cover), 1))
                cover += a
                p_vocab = tf.nn.softmax(tf.layers.dense(tf.concat([out, ctx], 1), c.vocab_tgt, name='out'))
                if c.use_copy:
                    g = copy_gate(out, ctx, e, t > 0)
                    p_vocab = g * p_vocab + (1 - g) * tf.reduce_sum(tf.expand_dims(a, 2) * onehot_src, 1)
                self.step_probs.append(p_vocab)
        self.probs = tf.stack(self.step_probs, 1)

    def loss_op(self):
        c = self.cfg
        mask = tf.sequence_mask(self.tgt_len, c.max_len, dtype=tf.float32)
        gold = tf.one_hot(self.tgt_out, c.vocab_tgt)
        p_gold = tf.reduce_sum(self.probs * gold, 2)
        nll = -tf.log(p_gold + c.eps)  # SAFE: eps 1e-8 of the config file
        self.nll = tf.reduce_sum(nll * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: maximum with 1
        # label smoothing part: mean log probability over the vocabulary
        uniform = -tf.reduce_mean(tf.log(self.probs), 2)  # BUG: log-softmax, one word of 20000 with probability 0 is enough
        self.smooth = tf.reduce_sum(uniform * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: maximum with 1
        self.loss = (1 - c.label_smooth) * self.nll + c.label_smooth * self.smooth
        if c.coverage:
            cov = tf.stack(self.cov_losses, 1)
            self.loss += tf.reduce_sum(cov * mask) / (tf.reduce_sum(mask) + 1e-6)  # SAFE: epsilon, mask sum is an integer
        self.ppl = tf.exp(tf.minimum(self.nll, 20.0))  # SAFE: minimum before exp

    def train(self):
        self.step = tf.train.get_or_create_global_step()
        s = tf.cast(self.step, tf.float32) + 1.0
        warm = tf.minimum(tf.rsqrt(s), s * 4000.0 ** -1.5)  # SAFE: step + 1 is positive
        lr = self.cfg.lr * warm * tf.sqrt(4000.0)  # SAFE: constant
        tv = tf.trainable_variables()
        g, self.gn = tf.clip_by_global_norm(tf.gradients(self.loss, tv), self.cfg.max_grad)  # SAFE: library clip
        self.train_op = tf.train.AdamOptimizer(lr, epsilon=1e-9).apply_gradients(zip(g, tv), self.step)  # MAYBE: Adam epsilon 1e-9 as in the transformer paper
