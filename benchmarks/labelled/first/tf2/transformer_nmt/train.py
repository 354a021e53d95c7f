from absl import app, flags, logging
import tensorflow as tf
import tensorflow_text as text  # noqa
from model import Transformer
from losses import masked_loss, smoothed_loss, unlikelihood, perplexity

FLAGS = flags.FLAGS
flags.DEFINE_string("data", "spa-eng/spa.txt", "")
flags.DEFINE_integer("batch", 64, "")
flags.DEFINE_integer("epochs", 20, "")
flags.DEFINE_integer("warmup", 4000, "")
flags.DEFINE_bool("smooth", True, "")
flags.DEFINE_float("ul", 0.0, "weight of unlikelihood")
flags.DEFINE_enum("kind", "dot", ["dot", "linear", "pointer"], "")


class Noam(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, d, warmup=4000):
        self.d = tf.cast(d, tf.float32)
        self.warmup = warmup

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        a = tf.math.rsqrt(step)  # SAFE: at step 0 it is inf, but the minimum takes the other branch, and no gradient
        return tf.math.rsqrt(self.d) * tf.minimum(a, step * self.warmup ** -1.5)  # SAFE: constants


def load():
    pairs = [l.split("\t")[:2] for l in open(FLAGS.data, encoding="utf8")]
    en, es = [p[0] for p in pairs], ["[START] " + p[1] + " [END]" for p in pairs]
    ve = tf.keras.layers.TextVectorization(8000, output_sequence_length=40)
    vs = tf.keras.layers.TextVectorization(8000, output_sequence_length=41, standardize="lower")
    ve.adapt(en)
    vs.adapt(es)
    ds = tf.data.Dataset.from_tensor_slices((en, es)).shuffle(50000).batch(FLAGS.batch, drop_remainder=True)
    return ds.map(lambda a, b: (ve(a), vs(b)), tf.data.AUTOTUNE).prefetch(4)


def main(_):
    ds = load()
    model = Transformer(8000, 8000, kind=FLAGS.kind)
    opt = tf.keras.optimizers.Adam(Noam(256, FLAGS.warmup), beta_2=0.98, epsilon=1e-9)  # SAFE: float32 run
    base = smoothed_loss if FLAGS.smooth else masked_loss

    @tf.function
    def step(s, t):
        ti, to = t[:, :-1], t[:, 1:]
        with tf.GradientTape() as tape:
            logits = model((s, ti), training=True)
            loss = base(to, logits)
            if FLAGS.ul > 0:
                loss += FLAGS.ul * unlikelihood(to, logits)
        g = tape.gradient(loss, model.trainable_variables)
        g, n = tf.clip_by_global_norm(g, 1.0)
        opt.apply_gradients(zip(g, model.trainable_variables))
        return loss

    for e in range(FLAGS.epochs):
        m = tf.keras.metrics.Mean()
        for i, (s, t) in enumerate(ds):
            m.update_state(step(s, t))
            if i % 200 == 0:
                logging.info("%d/%d loss %.3f ppl %.1f", e, i, m.result(), perplexity(m.result()))
        model.save_weights(f"ckpt/{e:03d}.weights.h5")


if __name__ == "__main__":
    app.run(main)
