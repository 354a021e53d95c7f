import tensorflow.compat.v1 as tf


def gru_step(x, h, dim, scope):
    with tf.variable_scope(scope, reuse=tf.AUTO_REUSE):
        gates = tf.layers.dense(tf.concat([x, h], 1), 2 * dim, activation=tf.sigmoid, name='gates', reuse=tf.AUTO_REUSE)
        r, u = tf.split(gates, 2, axis=1)
        c = tf.layers.dense(tf.concat([x, r * h], 1), dim, activation=tf.tanh, name='cand', reuse=tf.AUTO_REUSE)
        return u * h + (1.0 - u) * c


def masked_average(values, mask):
    lens = tf.reduce_sum(mask, axis=1)
    per_step = [v * mask[:, t] for t, v in enumerate(values)]
    per_ex = tf.add_n(per_step) / lens  # SAFE: every target has at least STOP, see Example
    return tf.reduce_mean(per_ex)


class SummarizationModel(object):

    def __init__(self, hps):
        self.hps = hps
        b = hps.batch_size
        self.enc = tf.placeholder(tf.int32, [b, hps.max_enc])
        self.enc_ext = tf.placeholder(tf.int32, [b, hps.max_enc])
        self.enc_mask = tf.placeholder(tf.float32, [b, hps.max_enc])
        self.dec_in = tf.placeholder(tf.int32, [b, hps.max_dec])
        self.target = tf.placeholder(tf.int32, [b, hps.max_dec])
        self.dec_mask = tf.placeholder(tf.float32, [b, hps.max_dec])
        self.max_oovs = tf.placeholder(tf.int32, [])
        mag = hps.rand_unif_init_mag
        self.init = tf.random_uniform_initializer(-mag, mag, seed=123)
        with tf.variable_scope('seq2seq', initializer=self.init):
            self.build()
            self.build_loss()
            self.build_train()

    def build(self):
        hps = self.hps
        emb = tf.get_variable('embedding', [hps.vocab_size, hps.emb_dim],
                              initializer=tf.truncated_normal_initializer(stddev=1e-2))
        enc_x = tf.unstack(tf.nn.embedding_lookup(emb, self.enc), axis=1)
        h = tf.zeros([hps.batch_size, hps.hidden_dim])
        states = []
        for t, x in enumerate(enc_x):
            new = gru_step(x, h, hps.hidden_dim, 'encoder')
            m = self.enc_mask[:, t:t + 1]
            h = m * new + (1.0 - m) * h
            states.append(h)
        self.enc_states = tf.stack(states, 1)
        self.enc_feat = tf.layers.dense(self.enc_states, hps.hidden_dim, use_bias=False, name='W_h')
        v = tf.get_variable('v', [hps.hidden_dim])
        w_c = tf.get_variable('w_c', [hps.hidden_dim])
        coverage = tf.zeros([hps.batch_size, hps.max_enc])
        self.attn, self.final, self.p_gens, self.cov_losses = [], [], [], []
        ctx = tf.zeros([hps.batch_size, hps.hidden_dim])
        for t, x in enumerate(tf.unstack(tf.nn.embedding_lookup(emb, self.dec_in), axis=1)):
            h = gru_step(tf.concat([x, ctx], 1), h, hps.hidden_dim, 'decoder')
            a = self.attend(h, coverage, v, w_c)
            self.cov_losses.append(tf.reduce_sum(tf.minimum(a, coverage), 1))
            coverage += a
            ctx = tf.reduce_sum(a[:, :, None] * self.enc_states, 1)
            p_gen = tf.layers.dense(tf.concat([ctx, h, x], 1), 1, activation=tf.sigmoid, name='p_gen', reuse=tf.AUTO_REUSE)
            scores = tf.layers.dense(tf.concat([h, ctx], 1), hps.vocab_size, name='vocab', reuse=tf.AUTO_REUSE)
            self.final.append(self.mix(p_gen, tf.nn.softmax(scores), a))
            self.attn.append(a)
            self.p_gens.append(p_gen)

    def attend(self, h, coverage, v, w_c):
        feat = self.enc_feat + tf.layers.dense(h, self.hps.hidden_dim, name='W_s', reuse=tf.AUTO_REUSE)[:, None]
        if self.hps.coverage:
            feat += coverage[:, :, None] * w_c
        e = tf.reduce_sum(v * tf.tanh(feat), 2)
        e = e - 1e9 * (1.0 - self.enc_mask)
        e = e - tf.reduce_max(e, 1, keepdims=True)
        a = tf.exp(e) * self.enc_mask  # SAFE: the maximum over the words that are not padding was subtracted
        return a / tf.reduce_sum(a, 1, keepdims=True)  # SAFE: an article has at least one word and its best score gives exp(0) = 1

    def mix(self, p_gen, vocab_dist, attn):
        hps = self.hps
        vocab_dist = p_gen * vocab_dist
        attn = (1.0 - p_gen) * attn
        ext = tf.concat([vocab_dist, tf.zeros([hps.batch_size, self.max_oovs])], 1)
        rows = tf.tile(tf.range(hps.batch_size)[:, None], [1, hps.max_enc])
        idx = tf.stack([rows, self.enc_ext], 2)
        return ext + tf.scatter_nd(idx, attn, tf.shape(ext))

    def build_loss(self):
        losses = []
        rows = tf.range(self.hps.batch_size)
        for t, dist in enumerate(self.final):
            gold = tf.gather_nd(dist, tf.stack([rows, self.target[:, t]], 1))
            losses.append(-tf.log(gold))  # BUG: log-zero, the mixture is 0 for a word of tiny vocabulary probability that the article does not hold
        self.nll = masked_average(losses, self.dec_mask)
        self.cov = masked_average(self.cov_losses, self.dec_mask)
        self.loss = self.nll + (self.hps.cov_loss_wt * self.cov if self.hps.coverage else 0.0)
        att = tf.stack(self.attn, 1)
        self.attn_entropy = -tf.reduce_mean(tf.reduce_sum(att * tf.log(tf.maximum(att, 1e-10)), 2))  # SAFE: floored before the logarithm
        mean_gen = tf.add_n([tf.squeeze(p, 1) * self.dec_mask[:, t] for t, p in enumerate(self.p_gens)])
        self.mean_p_gen = tf.reduce_sum(mean_gen) / tf.reduce_sum(self.dec_mask)  # SAFE: every target has at least STOP

    def build_train(self):
        hps = self.hps
        self.step = tf.train.get_or_create_global_step()
        tvars = tf.trainable_variables()
        grads, self.norm = tf.clip_by_global_norm(tf.gradients(self.loss, tvars), hps.max_grad_norm)
        opt = tf.train.AdagradOptimizer(hps.lr, initial_accumulator_value=hps.adagrad_init_acc)  # SAFE: the accumulator starts at 0.1, the root is never zero
        self.train_op = opt.apply_gradients(zip(grads, tvars), global_step=self.step)

    def feed(self, b):
        return {self.enc: b.enc, self.enc_ext: b.enc_ext, self.enc_mask: b.enc_mask, self.dec_in: b.dec_in,
                self.target: b.target, self.dec_mask: b.dec_mask, self.max_oovs: b.max_oovs}
