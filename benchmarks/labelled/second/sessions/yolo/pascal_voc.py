import os
import xml.etree.ElementTree as ET

import numpy as np

import config as cfg


class PascalVOC(object):

    def __init__(self, root, split="train"):
        self.root = root
        self.cell_size = cfg.CELL_SIZE
        self.image_size = cfg.IMAGE_SIZE
        self.class_to_ind = {c: i for i, c in enumerate(cfg.CLASSES)}
        with open(os.path.join(root, "ImageSets", "Main", split + ".txt")) as f:
            self.index = [l.strip() for l in f]
        self.cursor = 0

    def image_read(self, name):
        import cv2
        im = cv2.imread(os.path.join(self.root, "JPEGImages", name + ".jpg"))
        h, w = im.shape[:2]
        im = cv2.resize(im, (self.image_size, self.image_size))
        im = cv2.cvtColor(im, cv2.COLOR_BGR2RGB).astype(np.float32)
        return (im / 255.0) * 2.0 - 1.0, h, w

    def load_annotation(self, name):
        root = ET.parse(os.path.join(self.root, "Annotations", name + ".xml")).getroot()
        out = []
        for obj in root.findall("object"):
            b = obj.find("bndbox")
            box = [float(b.find(k).text) for k in ("xmin", "ymin", "xmax", "ymax")]
            out.append((box, self.class_to_ind[obj.find("name").text.lower().strip()]))
        return out

    def encode(self, objects, h, w):
        label = np.zeros((self.cell_size, self.cell_size, 5 + len(cfg.CLASSES)), np.float32)
        h_ratio = 1.0 * self.image_size / h  # SAFE: height of a decoded image is at least one pixel
        w_ratio = 1.0 * self.image_size / w
        for (x1, y1, x2, y2), cls in objects:
            x1 = max(min((x1 - 1) * w_ratio, self.image_size - 1), 0)
            y1 = max(min((y1 - 1) * h_ratio, self.image_size - 1), 0)
            x2 = max(min((x2 - 1) * w_ratio, self.image_size - 1), 0)
            y2 = max(min((y2 - 1) * h_ratio, self.image_size - 1), 0)
            box = [(x2 + x1) / 2.0, (y2 + y1) / 2.0, x2 - x1, y2 - y1]
            cx = int(box[0] * self.cell_size / self.image_size)
            cy = int(box[1] * self.cell_size / self.image_size)
            if label[cy, cx, 0] == 1:
                continue
            label[cy, cx, 0] = 1
            label[cy, cx, 1:5] = box
            label[cy, cx, 5 + cls] = 1
        return label

    def get(self, batch_size):
        images, labels = [], []
        while len(images) < batch_size:
            name = self.index[self.cursor % len(self.index)]
            im, h, w = self.image_read(name)
            images.append(im)
            labels.append(self.encode(self.load_annotation(name), h, w))
            self.cursor += 1
            if self.cursor % len(self.index) == 0:
                np.random.shuffle(self.index)
        return np.stack(images), np.stack(labels)
