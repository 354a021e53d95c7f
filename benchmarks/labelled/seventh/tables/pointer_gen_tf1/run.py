import argparse
import os

import tensorflow.compat.v1 as tf

from batcher import Vocab, batches
from hps import default_hps
from model import SummarizationModel

tf.disable_v2_behavior()


def running_avg(loss, avg, decay=0.99):
    return min(loss if avg == 0 else avg * decay + (1 - decay) * loss, 12)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--data', default='train.jsonl')
    p.add_argument('--vocab', default='vocab.txt')
    p.add_argument('--log_root', default='log')
    p.add_argument('--steps', type=int, default=100000)
    p.add_argument('--no_coverage', action='store_true')
    a = p.parse_args()
    hps = default_hps(coverage=not a.no_coverage)
    vocab = Vocab(a.vocab, hps.vocab_size)
    hps = hps._replace(vocab_size=vocab.size())
    if not os.path.exists(a.log_root):
        os.makedirs(a.log_root)
    model = SummarizationModel(hps)
    saver = tf.train.Saver(max_to_keep=3)
    avg = 0.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for i, b in enumerate(batches(a.data, vocab, hps)):
            _, loss, cov, norm, pg, ent = sess.run(
                [model.train_op, model.loss, model.cov, model.norm, model.mean_p_gen, model.attn_entropy], model.feed(b))
            avg = running_avg(loss, avg)
            if i % 100 == 0:
                print('step %d loss %.3f avg %.3f cov %.3f |g| %.3f p_gen %.3f entropy %.2f'
                      % (i, loss, avg, cov, norm, pg, ent))
            if i % 2000 == 0:
                saver.save(sess, os.path.join(a.log_root, 'model'), global_step=i)
            if i >= a.steps:
                break


if __name__ == '__main__':
    main()
