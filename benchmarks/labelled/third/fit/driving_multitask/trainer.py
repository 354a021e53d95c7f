import argparse
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras

import criteria
import nets

TASKS = ("depth", "seg", "normals", "steer")


class MultiTask(keras.Model):
    """Homoscedastic uncertainty weighting (Kendall et al.)."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.log_vars = {t: self.add_weight(name="log_var_" + t, shape=(), initializer="zeros",
                                            constraint=lambda w: tf.clip_by_value(w, -6.0, 6.0)) for t in TASKS}
        self.trackers = {t: keras.metrics.Mean(name=t) for t in TASKS + ("loss",)}
        self.abs_rel = keras.metrics.Mean(name="abs_rel")

    @property
    def metrics(self):
        return list(self.trackers.values()) + [self.abs_rel]

    def call(self, x, training=False):
        return self.net(x, training=training)

    def terms(self, x, y, out):
        return {
            "depth": criteria.silog(out["depth"], y["depth"])
                     + 0.1 * criteria.edge_aware_smoothness(out["depth"], x / 255.0),  # SAFE: constant divisor
            "seg": criteria.segmentation_loss(out["seg"], y["seg"]),
            "normals": criteria.normal_loss(out["normals"], y["normals"]),
            "steer": criteria.steering_nll(out["steer"][:, 0], out["steer"][:, 1], y["steer"]),
        }

    def combine(self, terms):
        total = 0.0
        for t, v in terms.items():
            s = tf.convert_to_tensor(self.log_vars[t])
            total += tf.exp(-s) * v + 0.5 * s  # SAFE: weights have a constraint to [-6, 6]
        return total

    def train_step(self, data):
        x, y = data[:2]
        with tf.GradientTape() as tape:
            out = self(x, training=True)
            terms = self.terms(x, y, out)
            loss = self.combine(terms)
        v = self.trainable_variables
        grads = tape.gradient(loss, v)
        grads, norm = tf.clip_by_global_norm(grads, 10.0)  # SAFE: the clip divides by the norm only when it is larger than 10
        self.optimizer.apply_gradients(zip(grads, v))
        return self.report(terms, loss, out, y)

    def test_step(self, data):
        x, y = data[:2]
        out = self(x, training=False)
        terms = self.terms(x, y, out)
        return self.report(terms, self.combine(terms), out, y)

    def report(self, terms, loss, out, y):
        for t, v in terms.items():
            self.trackers[t].update_state(v)
        self.trackers["loss"].update_state(loss)
        m = criteria.valid_mask(y["depth"])
        rel = tf.abs(out["depth"] - y["depth"]) / tf.maximum(y["depth"], criteria.MIN_DEPTH)  # SAFE: ground truth floored at MIN_DEPTH
        self.abs_rel.update_state(rel, sample_weight=m)
        return {k.name: k.result() for k in self.metrics}


def load_shard(path):
    with np.load(path) as z:
        return z["image"].astype("float32"), {
            "depth": z["depth_mm"].astype("float32") / 1000.0,  # SAFE: constant divisor
            "seg": z["labels"].astype("int32"),
            "normals": z["normals"].astype("float32"),
            "steer": np.clip(z["angle_deg"] / 45.0, -1, 1).astype("float32"),  # SAFE: constant divisor
        }


def shards(folder, batch):
    def gen():
        for f in sorted(os.listdir(folder)):
            x, y = load_shard(os.path.join(folder, f))
            for i in range(0, len(x), batch):
                yield x[i:i + batch], {k: v[i:i + batch] for k, v in y.items()}
    return gen


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("folder")
    ap.add_argument("--size", type=int, nargs=2, default=(160, 320))
    ap.add_argument("--classes", type=int, default=19)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--lr", type=float, default=4e-4)
    ap.add_argument("--steps", type=int, default=100000)
    a = ap.parse_args()
    model = MultiTask(nets.build(*a.size, a.classes))
    lr = keras.optimizers.schedules.PolynomialDecay(a.lr, max(a.steps, 1), 1e-6, power=0.9)  # SAFE: decay steps at least 1, Keras clips the step so the base of the power is in [0, 1]
    model.compile(optimizer=keras.optimizers.Adam(lr))
    for epoch in range(20):
        for x, y in shards(a.folder, a.batch)():
            logs = model.train_on_batch(x, y, return_dict=True)
        print(epoch, {k: round(float(v), 4) for k, v in logs.items()})
        model.net.save("mt_%02d.keras" % epoch)


if __name__ == "__main__":
    main()
