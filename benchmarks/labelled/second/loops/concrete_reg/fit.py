import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

from options import get_options
from table import add_features, batches, read_table, split


class R2(tf.keras.metrics.Metric):
    def __init__(self, name="r2"):
        super().__init__(name=name)
        self.sse = self.add_weight(name="sse", initializer="zeros")
        self.sum = self.add_weight(name="sum", initializer="zeros")
        self.sq = self.add_weight(name="sq", initializer="zeros")
        self.n = self.add_weight(name="n", initializer="zeros")

    def update_state(self, y, y_hat, sample_weight=None):
        self.sse.assign_add(tf.reduce_sum(tf.square(y - y_hat)))
        self.sum.assign_add(tf.reduce_sum(y))
        self.sq.assign_add(tf.reduce_sum(tf.square(y)))
        self.n.assign_add(tf.cast(tf.size(y), tf.float32))

    def result(self):
        mean = self.sum / tf.maximum(self.n, 1.0)  # SAFE: count floored at 1
        total = self.sq - self.n * tf.square(mean)
        return 1.0 - tf.math.divide_no_nan(self.sse, total)  # SAFE: divide_no_nan


class Heteroscedastic(tf.keras.Model):
    """Mean and noise of the strength; Gaussian likelihood on a floored scale."""

    def __init__(self, hidden, noise_floor, delta):
        super().__init__()
        self.body = tf.keras.Sequential([layers.Dense(h, activation="relu") for h in hidden])
        self.mean = layers.Dense(1)
        self.raw = layers.Dense(1)
        self.noise_floor = noise_floor
        self.delta = delta
        self.nll_metric = tf.keras.metrics.Mean(name="loss")
        self.r2 = R2()

    @property
    def metrics(self):
        return [self.nll_metric, self.r2]

    def call(self, x, training=False):
        h = self.body(x)
        sigma = tf.nn.softplus(self.raw(tf.stop_gradient(h))) + self.noise_floor
        return tf.squeeze(self.mean(h), -1), tf.squeeze(sigma, -1)

    def likelihood(self, y, mu, sigma):
        z = (y - mu) / sigma  # SAFE: softplus plus the floor 0.1
        return tf.math.log(sigma) + 0.5 * tf.square(z)  # SAFE: sigma is at least 0.1

    def train_step(self, batch):
        x, y = batch
        with tf.GradientTape() as tape:
            mu, sigma = self(x, training=True)  # BUG: raw-data, columns up to 1000 go unscaled into SGD with momentum and diverge or kill the ReLUs
            huber = tf.keras.losses.Huber(self.delta)(y, mu)
            loss = huber + 0.1 * tf.reduce_mean(self.likelihood(y, tf.stop_gradient(mu), sigma))
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.nll_metric.update_state(loss)
        self.r2.update_state(y, mu)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, batch):
        x, y = batch
        mu, sigma = self(x, training=False)
        self.nll_metric.update_state(self.likelihood(y, mu, sigma))
        self.r2.update_state(y, mu)
        return {m.name: m.result() for m in self.metrics}


def main():
    opt = get_options()
    tf.keras.utils.set_random_seed(opt.seed)
    x, y = read_table(opt.csv)
    (xt, yt), (xv, yv) = split(add_features(x), y, opt.seed)
    model = Heteroscedastic(opt.hidden, opt.noise_floor, opt.delta)
    model.compile(optimizer=tf.keras.optimizers.SGD(opt.lr, momentum=opt.momentum))
    model.fit(
        batches(xt, yt, opt.batch_size, True),
        validation_data=batches(xv, yv, opt.batch_size, False),
        epochs=opt.epochs,
        callbacks=[tf.keras.callbacks.EarlyStopping("val_loss", patience=20)],
    )
    mu, sigma = model.predict(xv)
    cover = np.mean(np.abs(yv - mu) < 1.96 * sigma)
    print(f"coverage {cover:.3f}")


if __name__ == "__main__":
    main()
