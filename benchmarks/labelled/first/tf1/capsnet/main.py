import numpy as np
import tensorflow as tf

from config import cfg
from model import CapsNet


def load():
    d = np.load('mnist.npz')
    x = d['x_train'].astype(np.float32)[..., None] / 255.  # SAFE: constant, scaled
    xt = d['x_test'].astype(np.float32)[..., None] / 255.  # SAFE: constant, scaled
    return x, d['y_train'].astype(np.int64), xt, d['y_test'].astype(np.int64)


def main(_):
    x, y, xt, yt = load()
    net = CapsNet()
    sv = tf.train.Supervisor(logdir='logdir', save_model_secs=0)
    nb = len(x) // cfg.batch_size
    with sv.managed_session() as sess:
        for ep in range(cfg.epoch):
            perm = np.random.permutation(len(x))
            for i in range(nb):
                j = perm[i * cfg.batch_size:(i + 1) * cfg.batch_size]
                _, l, a = sess.run([net.train_op, net.total_loss, net.accuracy], {net.X: x[j], net.labels: y[j]})
                assert not np.isnan(l), 'loss is nan'
                if i % 100 == 0:
                    print(ep, i, l, a)
            accs = []
            for i in range(len(xt) // cfg.batch_size):
                s = slice(i * cfg.batch_size, (i + 1) * cfg.batch_size)
                accs.append(sess.run(net.accuracy, {net.X: xt[s], net.labels: yt[s]}))
            print('epoch', ep, 'test error %.2f%%' % (100 - 100 * sum(accs) / len(accs)))  # SAFE: 78 batches


if __name__ == '__main__':
    tf.app.run()
