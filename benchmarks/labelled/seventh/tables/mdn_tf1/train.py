import os
import time

import numpy as np
import tensorflow.compat.v1 as tf

from args import get_parser
from loader import StrokeLoader
from model import Model

tf.disable_v2_behavior()


def main():
    args = get_parser().parse_args()
    loader = StrokeLoader(args.data, args.window, args.batch_size, args.data_scale)
    print('strokes', len(loader.strokes), 'std', loader.offset_std())
    model = Model(args)
    if not os.path.isdir(args.save_dir):
        os.makedirs(args.save_dir)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        saver = tf.train.Saver(tf.global_variables())
        avg = None
        for e in range(args.num_epochs):
            lr = args.learning_rate * args.decay_rate ** e
            for b in range(loader.num_batches):
                start = time.time()
                x, y = loader.next_batch()
                cost, pen, norm, _ = sess.run([model.cost, model.pen_loss, model.grad_norm, model.train_op],
                                              {model.x: x, model.y: y, model.lr: lr})
                avg = cost if avg is None else 0.99 * avg + 0.01 * cost
                if b % 200 == 0:
                    print('{}/{} loss {:.3f} avg {:.3f} pen {:.3f} |g| {:.2f} {:.3f}s'.format(
                        b, loader.num_batches, cost, avg, pen, norm, time.time() - start))
            saver.save(sess, os.path.join(args.save_dir, 'model.ckpt'), global_step=e)
            seed = loader.strokes[0][:args.window]
            np.save(os.path.join(args.save_dir, 'sample_%d.npy' % e), model.sample(sess, seed, 100))


if __name__ == '__main__':
    main()
