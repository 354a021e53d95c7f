import numpy as np
import tensorflow as tf

import hparams
from lm import LanguageModel, lm_loss, perplexity


class Noam(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, d_model, warmup):
        super().__init__()
        self.d, self.w = float(d_model), float(warmup)

    def __call__(self, step):
        s = tf.cast(step, tf.float32) + 1.0
        return tf.math.rsqrt(self.d) * tf.minimum(tf.math.rsqrt(s), s * self.w ** -1.5)  # SAFE: s starts at 1, warmup is positive

    def get_config(self):
        return {"d_model": self.d, "warmup": self.w}


def batches(path, hp):
    tokens = np.load(path, mmap_mode="r")
    n = hp.maxlen + 1

    def gen():
        while True:
            i = np.random.randint(0, len(tokens) - n, hp.batch)
            yield np.stack([tokens[j:j + n] for j in i]).astype(np.int32)

    return tf.data.Dataset.from_generator(gen, output_signature=tf.TensorSpec((None, n), tf.int32)).prefetch(2)


def build(hp):
    tf.keras.mixed_precision.set_global_policy(hp.precision)
    model = LanguageModel(hp)
    opt = tf.keras.optimizers.Adam(Noam(hp.d_model, hp.warmup), beta_2=0.98, epsilon=1e-9)
    if hp.precision == "mixed_float16":
        opt = tf.keras.mixed_precision.LossScaleOptimizer(opt)
    return model, opt


def make_step(model, opt):
    @tf.function
    def step(ids):
        with tf.GradientTape() as tape:
            logits = model(ids[:, :-1], training=True)
            loss = lm_loss(logits, ids[:, 1:])
            scaled = opt.scale_loss(loss)
        grads = tape.gradient(scaled, model.trainable_variables)
        opt.apply_gradients(zip(grads, model.trainable_variables))  # SAFE: scale_loss before, the optimizer unscales
        return loss
    return step


def main():
    hp = hparams.parse()
    model, opt = build(hp)
    step = make_step(model, opt)
    ema = None
    for i, ids in enumerate(batches(hp.tokens, hp)):
        loss = float(step(ids))
        ema = loss if ema is None else 0.98 * ema + 0.02 * loss
        if i % 100 == 0:
            print(i, ema, float(perplexity(ema)), flush=True)
        if i % 5000 == 0:
            model.save_weights("lm.weights.h5")
        if i >= hp.steps:
            break


if __name__ == "__main__":
    main()
