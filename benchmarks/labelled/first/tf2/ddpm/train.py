import argparse
import numpy as np
import tensorflow as tf
from schedule import Diffusion
from net import unet


class DDPM(tf.keras.Model):
    def __init__(self, net, diff, ema=0.999, weighting="none"):
        super().__init__()
        self.net, self.diff, self.ema, self.weighting = net, diff, ema, weighting
        self.ema_net = tf.keras.models.clone_model(net) if not any("weight_std" in l.name or l.name == "last" for l in net.layers) else net
        self.tracker = tf.keras.metrics.Mean(name="loss")

    def weight(self, t):
        if self.weighting == "snr":
            s = tf.gather(self.diff.snr, t)
            return tf.minimum(s, 5.0) / s  # SAFE: signal to noise ratio is positive, 4e-5 at the end of the linear schedule
        if self.weighting == "p2":
            return tf.gather(self.diff.p2, t)
        return tf.ones_like(t, tf.float32)

    def train_step(self, x):
        b = tf.shape(x)[0]
        t = tf.random.uniform([b], 0, self.diff.T, tf.int32)
        noise = tf.random.normal(tf.shape(x))
        with tf.GradientTape() as tape:
            pred = self.net([self.diff.q_sample(x, t, noise), t], training=True)
            per = tf.reduce_mean(tf.square(noise - pred), [1, 2, 3])
            loss = tf.reduce_mean(self.weight(t) * per)
            if self.weighting == "rmse":
                loss = tf.reduce_mean(tf.norm(tf.reshape(noise - pred, [b, -1]), axis=-1))  # SAFE: gaussian noise minus a prediction is never the zero vector
            elif self.weighting == "log":
                loss = tf.reduce_mean(tf.math.log(per))  # MAYBE: log of the error, zero only for a perfect prediction of noise
        g = tape.gradient(loss, self.net.trainable_weights)
        gn = tf.linalg.global_norm(g)
        g = [v * tf.minimum(1.0, 1.0 / (gn + 1e-6)) for v in g]  # SAFE: 1e-6, outside the tape
        self.optimizer.apply_gradients(zip(g, self.net.trainable_weights))
        for w, e in zip(self.net.weights, self.ema_net.weights):
            e.assign(self.ema * e + (1 - self.ema) * w)
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result(), "gn": gn}

    def sample(self, n, size=32):
        x = tf.random.normal([n, size, size, 3])
        for i in reversed(range(self.diff.T)):
            t = tf.fill([n], i)
            e = self.ema_net([x, t], training=False)
            x = self.diff.p_mean(x, t, e)
            if i > 0:
                x += tf.exp(0.5 * self.diff.post_logvar[i]) * tf.random.normal(tf.shape(x))  # SAFE: table between log 1e-20 and log 0.02
        return tf.clip_by_value(x, -1, 1)


class BitsPerDim(tf.keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        print("log2 loss", np.log(logs["loss"]) / np.log(2.0))  # SAFE: callback, only printed


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--schedule", default="linear")
    p.add_argument("--weighting", default="none", choices=["none", "snr", "p2", "rmse", "log"])
    p.add_argument("--ws", action="store_true")
    a = p.parse_args()
    (x, _), _ = tf.keras.datasets.cifar10.load_data()
    ds = tf.data.Dataset.from_tensor_slices(x).shuffle(50000)
    ds = ds.map(lambda i: tf.cast(i, tf.float32) / 127.5 - 1.0).batch(128, drop_remainder=True).prefetch(2)  # SAFE: constant
    m = DDPM(unet(weight_std=a.ws), Diffusion(kind=a.schedule), weighting=a.weighting)
    m.compile(optimizer=tf.keras.optimizers.Adam(2e-4))
    m.fit(ds, epochs=200, callbacks=[BitsPerDim()])  # SAFE: scaled to -1..1 by map


if __name__ == "__main__":
    main()
