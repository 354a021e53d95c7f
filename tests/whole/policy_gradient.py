import tensorflow as tf
# policy gradient
class PolicyGradient:
    def __init__(self, n_actions, n_features, learning_rate=0.01):
        self.lr = learning_rate
        self._build_net(n_actions, n_features)
        self.sess = tf.Session()
    def _build_net(self, n_actions, n_features):
        with tf.name_scope('inputs'):
            self.tf_obs = tf.placeholder(tf.float32, [None, n_features], name="observations")
            self.tf_acts = tf.placeholder(tf.int32, [None, ], name="actions_num")
            self.tf_vt = tf.placeholder(tf.float32, [None, ], name="actions_value")
        layer = tf.layers.dense(inputs=self.tf_obs, units=10, activation=tf.nn.tanh)
        all_act = tf.layers.dense(inputs=layer, units=n_actions, activation=None)
        self.all_act_prob = tf.nn.softmax(all_act, name='act_prob')
        with tf.name_scope('loss'):
            neg_log_prob = tf.reduce_sum(-tf.log(self.all_act_prob) * tf.one_hot(self.tf_acts, n_actions), axis=1) # BUG
            loss = tf.reduce_mean(neg_log_prob * self.tf_vt)
        with tf.name_scope('train'):
            self.train_op = tf.train.AdamOptimizer(self.lr).minimize(loss)
