import argparse
import glob

import cv2
import numpy as np
import tensorflow as tf

from losses import class_weights, median_weights
from unet import UNet

ap = argparse.ArgumentParser()
ap.add_argument('--data', default='camvid')
ap.add_argument('--loss', default='weighted')
ap.add_argument('--enet', action='store_true')
ap.add_argument('--classes', type=int, default=12)
ap.add_argument('--batch', type=int, default=4)
ap.add_argument('--epochs', type=int, default=100)
args = ap.parse_args()


def load(split):
    X, Y = [], []
    for f in sorted(glob.glob('%s/%s/*.png' % (args.data, split))):
        X.append(cv2.resize(cv2.imread(f), (256, 256)))
        lab = cv2.imread(f.replace(split, split + 'annot'), 0)
        Y.append(cv2.resize(lab, (256, 256), interpolation=cv2.INTER_NEAREST))
    return np.array(X, np.float32), np.array(Y)


def main():
    X, Y = load('train')
    Xv, Yv = load('val')
    # images stay as cv2 gives them, the first batch norm takes care of the range
    counts = np.bincount(Y.ravel(), minlength=args.classes)[:args.classes]
    w = class_weights(counts) if args.enet else median_weights(counts)
    net = UNet(args.classes, args.loss, weights=w)
    eye = np.eye(args.classes, dtype=np.float32)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for ep in range(args.epochs):
            perm = np.random.permutation(len(X))
            tot = []
            for i in range(0, len(X) - args.batch + 1, args.batch):
                j = perm[i:i + args.batch]
                _, l = sess.run([net.train_op, net.cost], {net.x: X[j], net.y: eye[Y[j] % args.classes], net.training: True})  # MAYBE: raw 0..255 images, a batch norm follows the first convolution
                tot.append(l)
            iou = np.mean([sess.run(net.iou, {net.x: Xv[k:k + 1], net.y: eye[Yv[k:k + 1] % args.classes]}) for k in range(len(Xv))])
            print('epoch %d loss %.4f val iou %.4f' % (ep, np.mean(tot), iou))


if __name__ == '__main__':
    main()
