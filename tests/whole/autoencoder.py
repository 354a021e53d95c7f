import tensorflow as tf
import numpy as np

class Autoencoder(object):
    def __init__(self, n_input, n_hidden, lr=0.01, transfer=tf.nn.sigmoid):
        self.n_input = n_input
        self.n_hidden = n_hidden
        self.transfer = transfer
        self.weights = self._init_weights()
        self.x = tf.placeholder(tf.float32, [None, n_input])
        self.hidden = self.transfer(tf.add(tf.matmul(self.x, self.weights['w1']), self.weights['b1']))
        self.reconstruction = tf.nn.sigmoid(tf.matmul(self.hidden, self.weights['w2']) + self.weights['b2'])
        ce = self.x * tf.log(self.reconstruction) + (1 - self.x) * tf.log(1 - self.reconstruction) # BUG
        self.cost = tf.reduce_mean(-tf.reduce_sum(ce, 1))
        self.optimizer = tf.train.AdamOptimizer(lr).minimize(self.cost)
        self.sess = tf.Session()

    def _init_weights(self):
        w = dict()
        w['w1'] = tf.Variable(tf.random_normal([self.n_input, self.n_hidden]))
        w['b1'] = tf.Variable(tf.zeros([self.n_hidden]))
        w['w2'] = tf.Variable(tf.zeros([self.n_hidden, self.n_input]))
        w['b2'] = tf.Variable(tf.zeros([self.n_input]))
        return w

    def partial_fit(self, X):
        cost, _ = self.sess.run((self.cost, self.optimizer), feed_dict={self.x: X})
        return cost

def main():
    ae = Autoencoder(784, 200)
    for i in range(10):
        ae.partial_fit(np.random.rand(10, 784))

if __name__ == '__main__':
    main()
