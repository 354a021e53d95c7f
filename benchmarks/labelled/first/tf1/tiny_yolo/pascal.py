import os
import xml.etree.ElementTree as ET

import cv2
import numpy as np

import config as cfg

CLASSES = ('aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse '
           'motorbike person pottedplant sheep sofa train tvmonitor').split()


class Pascal(object):
    def __init__(self, root, phase='trainval'):
        self.root = root
        with open(os.path.join(root, 'ImageSets/Main', phase + '.txt')) as f:
            self.ids = [l.strip() for l in f]
        self.cursor = 0
        np.random.shuffle(self.ids)

    def image(self, name):
        im = cv2.imread(os.path.join(self.root, 'JPEGImages', name + '.jpg'))
        h, w = im.shape[:2]
        im = cv2.resize(im, (cfg.IMAGE_SIZE, cfg.IMAGE_SIZE))
        im = cv2.cvtColor(im, cv2.COLOR_BGR2RGB).astype(np.float32)
        return im / 255.0 * 2.0 - 1.0, h, w  # SAFE: constant, scaled to -1..1

    def label(self, name, h, w):
        out = np.zeros((cfg.GRID, cfg.GRID, cfg.N_BOX, 5 + cfg.N_CLASS), np.float32)
        tree = ET.parse(os.path.join(self.root, 'Annotations', name + '.xml'))
        for o in tree.findall('object'):
            b = [float(o.find('bndbox').find(k).text) for k in ('xmin', 'ymin', 'xmax', 'ymax')]
            cx, cy = (b[0] + b[2]) / 2 / w * cfg.GRID, (b[1] + b[3]) / 2 / h * cfg.GRID  # SAFE: image size
            bw, bh = (b[2] - b[0]) / w * cfg.GRID, (b[3] - b[1]) / h * cfg.GRID  # SAFE: image size
            i, j = min(int(cy), cfg.GRID - 1), min(int(cx), cfg.GRID - 1)
            k = self.best_anchor(bw, bh)
            out[i, j, k, :5] = [cx - j, cy - i, bw, bh, 1]
            out[i, j, k, 5 + CLASSES.index(o.find('name').text)] = 1
        return out

    def best_anchor(self, w, h):
        best, arg = -1, 0
        for k, (aw, ah) in enumerate(cfg.ANCHORS):
            inter = min(w, aw) * min(h, ah)
            iou = inter / (w * h + aw * ah - inter)  # SAFE: anchors are positive
            if iou > best:
                best, arg = iou, k
        return arg

    def get(self, n):
        X, Y = [], []
        while len(X) < n:
            name = self.ids[self.cursor]
            self.cursor = (self.cursor + 1) % len(self.ids)
            im, h, w = self.image(name)
            X.append(im)
            Y.append(self.label(name, h, w))
        return np.array(X), np.array(Y)
