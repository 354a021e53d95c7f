"""Multi GPU classification with a custom loop.

Global batch losses are averaged with compute_average_loss, float16 with loss scaling.
"""
import argparse

import tensorflow as tf

from net import resnet
from pipeline import records


def soft_ce(y, logits, smoothing=0.1):
    n = tf.cast(tf.shape(logits)[-1], tf.float32)
    y = y * (1.0 - smoothing) + smoothing / n  # SAFE: n is the number of classes
    logits = tf.cast(logits, tf.float32)
    return -tf.reduce_sum(y * tf.nn.log_softmax(logits), -1)  # SAFE: log_softmax in float32


def distill(student, teacher, t=2.0):
    p = tf.nn.softmax(tf.cast(teacher, tf.float32) / t)  # SAFE: constant temperature
    q = tf.nn.log_softmax(tf.cast(student, tf.float32) / t)
    return t * t * tf.reduce_sum(p * (tf.math.log(p + 1e-8) - q), -1)  # SAFE: epsilon, the teacher has no gradient


class WarmupCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, base, warmup, total):
        super().__init__()
        self.base, self.warmup = base, float(max(warmup, 1))
        self.total = max(float(total), self.warmup + 1.0)

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        up = s / self.warmup  # SAFE: warmup >= 1
        f = tf.clip_by_value((s - self.warmup) / (self.total - self.warmup), 0.0, 1.0)  # SAFE: total >= warmup + 1
        return self.base * tf.where(s < self.warmup, up, 0.5 * (1.0 + tf.cos(3.14159265 * f)))


class Runner:
    def __init__(self, a, strategy):
        self.a, self.strategy = a, strategy
        with strategy.scope():
            self.model = resnet(a.size, a.classes)
            self.teacher = tf.keras.models.load_model(a.teacher, compile=False) if a.teacher else None
            sgd = tf.keras.optimizers.SGD(WarmupCosine(a.lr, a.warmup, a.steps), momentum=0.9, nesterov=True)
            self.opt = tf.keras.mixed_precision.LossScaleOptimizer(sgd) if a.half else sgd
            self.ema = [tf.Variable(v, trainable=False) for v in self.model.trainable_variables]
            self.acc = tf.keras.metrics.CategoricalAccuracy()

    def _replica_step(self, x, y):
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            per = soft_ce(y, logits)
            if self.teacher is not None:
                per = 0.5 * per + 0.5 * distill(logits, self.teacher(x, training=False))
            loss = tf.nn.compute_average_loss(per, global_batch_size=self.a.batch)  # SAFE: the batch size is a positive option
            scaled = self.opt.scale_loss(loss)
        tv = self.model.trainable_variables
        grads = tape.gradient(scaled, tv)
        self.opt.apply_gradients(zip(grads, tv))  # SAFE: scaled loss, unscaled by the optimizer
        for e, v in zip(self.ema, tv):
            e.assign(0.999 * e + 0.001 * v)
        self.acc.update_state(y, tf.nn.softmax(tf.cast(logits, tf.float32)))
        return loss

    @tf.function
    def train_step(self, it):
        x, y = next(it)
        per = self.strategy.run(self._replica_step, (x, y))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, per, axis=None)

    @tf.function
    def eval_step(self, x, y):
        logits = tf.cast(self.model(x, training=False), tf.float32)
        hit = tf.equal(tf.argmax(logits, -1), tf.argmax(y, -1))
        return tf.reduce_sum(tf.cast(hit, tf.float32)), tf.cast(tf.shape(x)[0], tf.float32)

    def evaluate(self, ds):
        ok = n = 0.0
        for x, y in ds:
            a, b = self.eval_step(x, y)
            ok, n = ok + float(a), n + float(b)
        return ok / n if n else 0.0  # SAFE: n == 0 handled


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--train", default="train-*.tfrecord")
    p.add_argument("--val", default="val-*.tfrecord")
    p.add_argument("--teacher", default="")
    p.add_argument("--size", type=int, default=128)
    p.add_argument("--classes", type=int, default=100)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--lr", type=float, default=0.1)
    p.add_argument("--warmup", type=int, default=1000)
    p.add_argument("--steps", type=int, default=50000)
    p.add_argument("--half", action="store_true")
    a = p.parse_args()
    if a.half:
        tf.keras.mixed_precision.set_global_policy("mixed_float16")
    strategy = tf.distribute.MirroredStrategy()
    train = iter(strategy.experimental_distribute_dataset(records(a.train, a.size, a.batch, a.classes, True)))
    val = records(a.val, a.size, a.batch, a.classes, False)
    run = Runner(a, strategy)
    for s in range(a.steps):
        loss = run.train_step(train)
        if s % 500 == 0:
            print(s, float(loss), float(run.acc.result()), run.evaluate(val))
            run.acc.reset_state()


if __name__ == "__main__":
    main()
