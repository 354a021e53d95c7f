import time

import numpy as np
import tensorflow as tf

from layers import AttentionReadout, GraphConvolution, PairNorm
from metrics import masked_accuracy, masked_softmax_cross_entropy, mean_entropy
from utils import chebyshev_polynomials, load_graph, preprocess_features, renormalize

flags = tf.app.flags
FLAGS = flags.FLAGS
flags.DEFINE_string('dataset', 'data/cora.npz', 'npz file')
flags.DEFINE_string('model', 'gcn', 'gcn or gcn_cheby')
flags.DEFINE_float('learning_rate', 0.01, 'Initial learning rate.')
flags.DEFINE_integer('epochs', 200, 'Number of epochs to train.')
flags.DEFINE_integer('hidden1', 16, 'Number of units in hidden layer 1.')
flags.DEFINE_float('dropout', 0.5, 'Dropout rate (1 - keep probability).')
flags.DEFINE_float('weight_decay', 5e-4, 'L2 weight on the first layer.')
flags.DEFINE_integer('early_stopping', 10, 'Tolerance (epochs).')
flags.DEFINE_integer('max_degree', 3, 'Maximum Chebyshev polynomial degree.')


class GCN(object):

    def __init__(self, ph, n_features, n_classes, hidden, lr, weight_decay):
        keep = 1.0 - ph['dropout']
        self.l1 = GraphConvolution(n_features, hidden, ph['support'], keep, logging=True)
        self.norm = PairNorm()
        self.l2 = GraphConvolution(hidden, n_classes, ph['support'], keep, act=lambda x: x)
        self.readout = AttentionReadout(hidden)
        h = self.norm(self.l1(ph['features']))
        summary = self.readout(h)
        self.outputs = self.l2(h + 0.1 * summary)
        reg = tf.add_n([tf.nn.l2_loss(v) for v in self.l1.vars.values()])
        self.loss = weight_decay * reg + masked_softmax_cross_entropy(
            self.outputs, ph['labels'], ph['labels_mask'])
        self.accuracy = masked_accuracy(self.outputs, ph['labels'], ph['labels_mask'])
        self.entropy = mean_entropy(self.outputs, ph['labels_mask'])
        self.opt_op = tf.train.AdamOptimizer(learning_rate=lr).minimize(self.loss)


def placeholders(n_support, n, n_features, n_classes):
    return {
        'support': [tf.placeholder(tf.float32, [n, n]) for _ in range(n_support)],
        'features': tf.placeholder(tf.float32, [n, n_features]),
        'labels': tf.placeholder(tf.float32, [n, n_classes]),
        'labels_mask': tf.placeholder(tf.float32, [n]),
        'dropout': tf.placeholder_with_default(0., shape=()),
    }


def feed(ph, supports, x, y, mask, dropout=0.):
    d = {ph['features']: x, ph['labels']: y, ph['labels_mask']: mask, ph['dropout']: dropout}
    d.update(zip(ph['support'], supports))
    return d


def main(_):
    np.random.seed(123)
    tf.set_random_seed(123)
    adj, x, y, (m_train, m_val, m_test) = load_graph(FLAGS.dataset)
    x = preprocess_features(x)
    if FLAGS.model == 'gcn':
        supports = [renormalize(adj)]
    else:
        supports = chebyshev_polynomials(adj, FLAGS.max_degree)
    ph = placeholders(len(supports), len(x), x.shape[1], y.shape[1])
    model = GCN(ph, x.shape[1], y.shape[1], FLAGS.hidden1, FLAGS.learning_rate, FLAGS.weight_decay)
    costs = []
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(FLAGS.epochs):
            t = time.time()
            _, loss, acc = sess.run([model.opt_op, model.loss, model.accuracy],
                                    feed(ph, supports, x, y, m_train, FLAGS.dropout))
            v_loss, v_acc = sess.run([model.loss, model.accuracy], feed(ph, supports, x, y, m_val))
            costs.append(v_loss)
            print("Epoch %04d train %.5f %.4f val %.5f %.4f time %.4f"
                  % (epoch + 1, loss, acc, v_loss, v_acc, time.time() - t))
            es = FLAGS.early_stopping
            if epoch > es and costs[-1] > np.mean(costs[-(es + 1):-1]):
                print("Early stopping...")
                break
        print("Test:", sess.run([model.loss, model.accuracy, model.entropy],
                                feed(ph, supports, x, y, m_test)))


if __name__ == '__main__':
    tf.app.run()
