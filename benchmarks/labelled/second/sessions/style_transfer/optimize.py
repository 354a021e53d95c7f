import argparse
import glob
import os

import numpy as np
import tensorflow as tf

import transform
import vgg

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1")
CONTENT_LAYER = "relu3_2"


def get_img(path, size):
    from PIL import Image
    return np.asarray(Image.open(path).convert("RGB").resize((size, size)), np.float32)


def tensor_size(t):
    return float(np.prod([d for d in t.get_shape().as_list()[1:]]))


def gram(feats):
    b, h, w, c = [d if d is not None else -1 for d in feats.get_shape().as_list()]
    flat = tf.reshape(feats, [-1, h * w, c])
    return tf.matmul(flat, flat, transpose_a=True) / float(h * w * c)  # SAFE: static feature map sizes are positive


def moment_stats(feats):
    mean, var = tf.nn.moments(feats, [1, 2])
    return mean, tf.sqrt(var + 1e-5)  # SAFE: 1e-5 is added before the root, dead channels have variance zero


def total_variation(x):
    dy = tf.nn.l2_loss(x[:, 1:] - x[:, :-1]) / tensor_size(x[:, 1:])  # SAFE: image sides are larger than one pixel
    dx = tf.nn.l2_loss(x[:, :, 1:] - x[:, :, :-1]) / tensor_size(x[:, :, 1:])
    return 2.0 * (dx + dy)


def build(weights, style_image, args):
    size = args.size
    content = tf.placeholder(tf.float32, [args.batch_size, size, size, 3], "content")
    style_net = vgg.net(weights, vgg.preprocess(tf.constant(style_image[None])))
    content_net = vgg.net(weights, vgg.preprocess(content))
    preds = transform.net(content, args.width, args.blocks)
    pred_net = vgg.net(weights, vgg.preprocess(preds))

    a, b = content_net[CONTENT_LAYER], pred_net[CONTENT_LAYER]
    content_loss = args.content_weight * 2 * tf.nn.l2_loss(a - b) / (tensor_size(a) * args.batch_size)  # SAFE: static sizes and the batch size are positive
    style_loss = 0.0
    for name in STYLE_LAYERS:
        target = gram(style_net[name])
        style_loss += 2 * tf.nn.l2_loss(gram(pred_net[name]) - target) / tensor_size(target)
        ms, ss = moment_stats(style_net[name])
        mp, sp = moment_stats(pred_net[name])
        style_loss += args.moment_weight * tf.reduce_mean(tf.square(mp - ms) + tf.square(sp - ss))
    style_loss = args.style_weight * style_loss / args.batch_size
    tv_loss = args.tv_weight * total_variation(preds) / args.batch_size
    loss = content_loss + style_loss + tv_loss
    ratio = tf.log(style_loss + 1e-6) - tf.log(content_loss + 1e-6)  # SAFE: both losses are sums of squares with 1e-6 added, summary only
    tf.summary.scalar("log_style_content_ratio", ratio)
    opt = tf.train.AdamOptimizer(args.lr)
    gv = opt.compute_gradients(loss)
    return content, preds, loss, gv, opt.apply_gradients(gv)


def to_uint8(img):
    return np.clip(img, 0, 255).astype(np.uint8)  # SAFE: clipped before the cast, tanh * 150 + 127.5 leaves the byte range


def get_args(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--style", default="style.jpg")
    p.add_argument("--train_path", default="data/train2014")
    p.add_argument("--vgg", default="data/vgg19.npz")
    p.add_argument("--out", default="checkpoints")
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--width", type=int, default=32)
    p.add_argument("--blocks", type=int, default=5)
    p.add_argument("--batch_size", type=int, default=4)
    p.add_argument("--epochs", type=int, default=2)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--content_weight", type=float, default=7.5)
    p.add_argument("--style_weight", type=float, default=100.0)
    p.add_argument("--moment_weight", type=float, default=0.1)
    p.add_argument("--tv_weight", type=float, default=200.0)
    return p.parse_args(argv)


def main():
    args = get_args()
    files = sorted(glob.glob(os.path.join(args.train_path, "*.jpg")))
    content, preds, loss, _, train_op = build(
        vgg.load_weights(args.vgg), get_img(args.style, args.size), args)
    saver = tf.train.Saver()
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for epoch in range(args.epochs):
            for i in range(0, len(files) - args.batch_size + 1, args.batch_size):
                batch = np.stack([get_img(f, args.size) for f in files[i:i + args.batch_size]])
                _, value = sess.run([train_op, loss], {content: batch})
                if i % (500 * args.batch_size) == 0:
                    print("epoch %d iter %d loss %.3f" % (epoch, i // args.batch_size, value))
                    np.save(os.path.join(args.out, "preview.npy"), to_uint8(sess.run(preds, {content: batch})))
                    saver.save(sess, os.path.join(args.out, "fns.ckpt"))


if __name__ == "__main__":
    main()
