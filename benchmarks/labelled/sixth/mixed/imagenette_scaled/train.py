import math
import tensorflow as tf
from model import build
from options import Options


class WarmCosine(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, peak, warm_steps, total_steps):
        self.peak, self.warm, self.total = peak, warm_steps, max(total_steps, warm_steps + 1)

    def __call__(self, step):
        s = tf.cast(step, tf.float32)
        ramp = s / max(self.warm, 1)  # SAFE: warmup length floored at one in the divisor
        p = tf.clip_by_value((s - self.warm) / (self.total - self.warm), 0.0, 1.0)  # SAFE: total is at least warm + 1
        return self.peak * tf.where(s < self.warm, ramp, 0.5 * (1 + tf.cos(math.pi * p)))


def mixup(x, y, alpha=0.2):
    n = tf.shape(x)[0]
    a = tf.random.gamma([n], alpha)
    b = tf.random.gamma([n], alpha)
    lam = (a + 1e-6) / (a + b + 2e-6)  # SAFE: small constants on both sides, data augmentation without gradient
    idx = tf.random.shuffle(tf.range(n))
    lx = lam[:, None, None, None]
    return lx * x + (1 - lx) * tf.gather(x, idx), lam[:, None] * y + (1 - lam[:, None]) * tf.gather(y, idx)


def pipeline(opt, split):
    ds = tf.keras.utils.image_dataset_from_directory(
        f"{opt.data_dir}/{split}", image_size=(opt.size, opt.size), batch_size=opt.global_batch, label_mode="categorical")
    if split == "train":
        ds = ds.map(lambda x, y: mixup(tf.image.random_flip_left_right(x), y))
    return ds.prefetch(2)


def compile_model(model, opt, steps_per_epoch):
    sched = WarmCosine(opt.scaled_lr, opt.warmup_epochs * steps_per_epoch, opt.epochs * steps_per_epoch)
    sgd = tf.keras.optimizers.SGD(sched, momentum=opt.momentum, nesterov=True, weight_decay=opt.weight_decay)  # BUG: rate, scaled_lr multiplies by the batch of 256 without dividing by the reference batch, peak rate 25.6 without warmup
    loss = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=opt.label_smoothing)  # SAFE: the classifier has no activation
    model.compile(sgd, loss, metrics=["accuracy"])
    return model


def main():
    opt = Options()
    train, val = pipeline(opt, "train"), pipeline(opt, "val")
    steps = train.cardinality().numpy()
    model = compile_model(build(opt.size, opt.n_classes), opt, steps)
    model.fit(train, validation_data=val, epochs=opt.epochs,
              callbacks=[tf.keras.callbacks.ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True)])


if __name__ == "__main__":
    main()
