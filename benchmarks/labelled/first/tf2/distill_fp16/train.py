import sys
import tensorflow as tf
from tensorflow.keras import layers, mixed_precision
from config import C
from losses import kd_kl, kd_naive, kd_fp16_eps, kd_fp32_eps
from optim import Lamb2, SignNorm

mixed_precision.set_global_policy("mixed_float16")
cfg = C()
KD = {"kl": kd_kl, "naive": kd_naive, "fp16": kd_fp16_eps, "fp32": kd_fp32_eps}


def student(aug=True):
    i = layers.Input((32, 32, 3))
    x = layers.Rescaling(1 / 255.0)(i)  # SAFE: constant
    if aug:
        x = layers.RandomFlip("horizontal")(x)
    for f in (32, 64, 128):
        x = layers.Conv2D(f, 3, 2, "same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(i, layers.Dense(cfg.classes)(x), name="student")


def teacher():
    i = layers.Input((32, 32, 3))
    x = layers.UpSampling2D(3)(i)
    b = tf.keras.applications.EfficientNetB0(include_top=False, pooling="avg", input_shape=(96, 96, 3))
    x = b(x)  # EfficientNet takes 0..255
    return tf.keras.Model(i, layers.Dense(cfg.classes, dtype="float32")(x), name="teacher")


class Distiller(tf.keras.Model):
    def __init__(self, s, t, kd):
        super().__init__()
        self.s, self.t, self.kd = s, t, kd
        self.t.trainable = False

    def compile(self, optimizer, metrics, smoothing):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.ce = tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)  # SAFE: linear student

    def call(self, x):
        return self.s(x)

    def train_step(self, data):
        x, y = data
        tl = self.t(x, training=False)
        with tf.GradientTape() as tape:
            sl = self.s(x, training=True)
            hard = self.ce(y, tf.cast(sl, tf.float32))
            soft = tf.cast(self.kd(tl, tf.cast(sl, tl.dtype)), tf.float32)
            loss = cfg.alpha * hard + (1 - cfg.alpha) * soft
            scaled = self.optimizer.get_scaled_loss(loss) if hasattr(self.optimizer, "get_scaled_loss") else loss
        g = tape.gradient(scaled, self.s.trainable_variables)
        if hasattr(self.optimizer, "get_unscaled_gradients"):
            g = self.optimizer.get_unscaled_gradients(g)
        self.optimizer.apply_gradients(zip(g, self.s.trainable_variables))
        self.compiled_metrics.update_state(y, sl)
        return {m.name: m.result() for m in self.metrics} | {"hard": hard, "soft": soft}


def main():
    kd = KD[sys.argv[1] if len(sys.argv) > 1 else "kl"]
    (x, y), (xv, yv) = tf.keras.datasets.cifar100.load_data()
    y, yv = tf.keras.utils.to_categorical(y, 100), tf.keras.utils.to_categorical(yv, 100)
    t = teacher()
    t.compile(optimizer=tf.keras.optimizers.Adam(1e-4), metrics=["accuracy"],
              loss=tf.keras.losses.CategoricalCrossentropy(from_logits=True))  # SAFE: linear float32 head
    t.fit(x, y, batch_size=cfg.batch, epochs=3)  # SAFE: EfficientNet rescales by itself
    d = Distiller(student(), t, kd)
    opt = Lamb2(cfg.lr) if "--lamb" in sys.argv else SignNorm(1e-2) if "--sign" in sys.argv else tf.keras.optimizers.Adam(cfg.lr)
    d.compile(mixed_precision.LossScaleOptimizer(opt), ["accuracy"], cfg.smoothing)
    d.fit(x, y, batch_size=cfg.batch, epochs=cfg.epochs)  # SAFE: Rescaling layer in the student

    # baseline: student from scratch, half precision softmax on top
    s = student()
    out = layers.Activation("softmax", dtype="float32")(s.output)
    b = tf.keras.Model(s.input, out)
    b.compile(optimizer=tf.keras.optimizers.Adam(cfg.lr), loss="categorical_crossentropy", metrics=["accuracy"])  # SAFE: float32 softmax
    b.fit(x, y, batch_size=cfg.batch, epochs=5, validation_data=(xv, yv))  # SAFE: Rescaling inside
    c = student(aug=False)
    c.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])  # BUG: loss-pairing, the student ends in logits and the string loss expects probabilities
    c.fit(x, y, batch_size=cfg.batch, epochs=5)


if __name__ == "__main__":
    main()
