import os

import numpy as np
import tensorflow as tf

from config import Config
from data import ParallelCorpus, build_vocab, read_lines
from model import Seq2Seq


def noam_like(step, base_lr, warmup=4000.0):
    step = tf.cast(step, tf.float32) + 1.0
    return base_lr * tf.minimum(tf.rsqrt(step) * tf.sqrt(warmup), step / warmup)  # SAFE: step starts at one


def make_train_op(model, cfg):
    global_step = tf.train.get_or_create_global_step()
    lr = noam_like(global_step, cfg.learning_rate)
    opt = tf.train.AdamOptimizer(lr, beta2=0.98, epsilon=1e-9)
    tvars = tf.trainable_variables()
    grads, gnorm = tf.clip_by_global_norm(tf.gradients(model.loss, tvars), cfg.max_grad_norm)
    tf.summary.scalar("grad_norm", gnorm)
    return opt.apply_gradients(zip(grads, tvars), global_step=global_step), global_step


def feed_dict(model, batch):
    x, x_len, y_in, y, y_len = batch
    return {model.src: x, model.src_len: x_len, model.tgt_in: y_in,
            model.tgt_out: y, model.tgt_len: y_len}


def main():
    cfg = Config()
    src, tgt = read_lines(cfg.src_train), read_lines(cfg.tgt_train)
    corpus = ParallelCorpus(src, tgt, build_vocab(src, cfg.vocab_size),
                            build_vocab(tgt, cfg.vocab_size), cfg)
    model = Seq2Seq(cfg)
    train_op, global_step = make_train_op(model, cfg)
    merged = tf.summary.merge_all()
    saver = tf.train.Saver()
    rng = np.random.RandomState(42)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        ckpt = tf.train.latest_checkpoint(cfg.model_dir)
        if ckpt:
            saver.restore(sess, ckpt)
        writer = tf.summary.FileWriter(cfg.model_dir, sess.graph)
        for epoch in range(cfg.epochs):
            total, n = 0.0, 0
            for batch in corpus.batches(rng):
                _, loss, s, step = sess.run([train_op, model.loss, merged, global_step],
                                            feed_dict(model, batch))
                total += loss
                n += 1
                if step % 100 == 0:
                    writer.add_summary(s, step)
                    print("step %d loss %.4f" % (step, loss))
            print("epoch %d mean loss %.4f" % (epoch, total / max(n, 1)))
            saver.save(sess, os.path.join(cfg.model_dir, "s2s"), global_step=global_step)


if __name__ == "__main__":
    main()
