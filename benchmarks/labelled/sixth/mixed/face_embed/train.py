import argparse
import glob
import os
import numpy as np
import tensorflow as tf
from backbone import build_backbone
from heads import MarginHead, batch_hard_triplet, l2norm, supervised_contrastive


class FaceModel(tf.keras.Model):
    def __init__(self, n_ids, size=112, kind="arc", triplet=0.0, supcon=0.0):
        super().__init__()
        self.backbone = build_backbone(size)
        self.head = MarginHead(n_ids, kind=kind)
        self.triplet, self.supcon = triplet, supcon
        self.loss_m = tf.keras.metrics.Mean(name="loss")

    def call(self, x, training=False):
        return l2norm(self.backbone(x, training=training))

    def objective(self, x, y):
        emb = self.backbone(x, training=True)
        logits = self.head([emb, y])
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))  # SAFE: scaled cosines are logits, at most 30
        if self.triplet:
            loss += self.triplet * batch_hard_triplet(emb, y)
        if self.supcon:
            loss += self.supcon * supervised_contrastive(emb, y)
        return loss

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.objective(x, y)
        v = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, v), v))
        self.loss_m.update_state(loss)
        return {"loss": self.loss_m.result()}

    @property
    def metrics(self):
        return [self.loss_m]


def tar_at_far(scores, same, far=1e-3):
    neg = np.sort(scores[~same])[::-1]
    if not len(neg) or not same.any():
        return 0.0
    thr = neg[min(int(far * len(neg)), len(neg) - 1)]
    return float((scores[same] > thr).mean())  # SAFE: early return when there is no genuine pair


def dataset(root, size, batch):
    ids = sorted(os.listdir(root))
    files, labels = [], []
    for k, d in enumerate(ids):
        f = glob.glob(os.path.join(root, d, "*.jpg"))
        files += f
        labels += [k] * len(f)

    def read(f, y):
        im = tf.io.decode_jpeg(tf.io.read_file(f), 3)
        return tf.image.random_flip_left_right(tf.image.resize(im, (size, size))), y
    return tf.data.Dataset.from_tensor_slices((files, labels)).shuffle(len(files)).map(read).batch(batch), len(ids)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--root", default="casia")
    p.add_argument("--kind", default="arc", choices=["arc", "arc_easy", "cos"])
    p.add_argument("--lr", type=float, default=0.05)
    p.add_argument("--triplet", type=float, default=0.0)
    p.add_argument("--supcon", type=float, default=0.0)
    a = p.parse_args()
    ds, n = dataset(a.root, 112, 128)
    m = FaceModel(n, kind=a.kind, triplet=a.triplet, supcon=a.supcon)
    m.compile(optimizer=tf.keras.optimizers.SGD(a.lr, momentum=0.9, weight_decay=5e-4))
    m.fit(ds, epochs=20)
    m.backbone.save("face.keras")


if __name__ == "__main__":
    main()
