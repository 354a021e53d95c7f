import re
import string
import argparse
import tensorflow as tf
from tensorflow.keras import layers, losses

parser = argparse.ArgumentParser()
parser.add_argument("--data", default="aclImdb")
parser.add_argument("--vocab", type=int, default=10000)
parser.add_argument("--maxlen", type=int, default=250)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--pool", choices=["mean", "attn"], default="mean")
args = parser.parse_args()

raw_train = tf.keras.utils.text_dataset_from_directory(args.data + "/train", batch_size=32, validation_split=0.2, subset="training", seed=42)
raw_val = tf.keras.utils.text_dataset_from_directory(args.data + "/train", batch_size=32, validation_split=0.2, subset="validation", seed=42)
raw_test = tf.keras.utils.text_dataset_from_directory(args.data + "/test", batch_size=32)


def clean(t):
    t = tf.strings.lower(t)
    t = tf.strings.regex_replace(t, "<br />", " ")
    return tf.strings.regex_replace(t, "[%s]" % re.escape(string.punctuation), "")


vec = layers.TextVectorization(standardize=clean, max_tokens=args.vocab, output_mode="int", output_sequence_length=args.maxlen)
vec.adapt(raw_train.map(lambda x, y: x))

AUTOTUNE = tf.data.AUTOTUNE
train = raw_train.map(lambda x, y: (vec(x), y)).cache().prefetch(AUTOTUNE)
val = raw_val.map(lambda x, y: (vec(x), y)).cache().prefetch(AUTOTUNE)
test = raw_test.map(lambda x, y: (vec(x), y)).cache().prefetch(AUTOTUNE)


class MaskedMean(layers.Layer):
    """average over the real tokens only"""

    def call(self, x, ids):
        m = tf.cast(tf.not_equal(ids, 0), x.dtype)[..., None]
        s = tf.reduce_sum(x * m, axis=1)
        n = tf.reduce_sum(m, axis=1)
        return s / n  # BUG: div-zero, a review empty after cleaning has no tokens, 0/0


class AttnPool(layers.Layer):
    def __init__(self, units=64, **kw):
        super().__init__(**kw)
        self.proj = layers.Dense(units, activation="tanh")
        self.score = layers.Dense(1)

    def call(self, x, ids):
        s = tf.squeeze(self.score(self.proj(x)), -1)
        s = tf.where(tf.equal(ids, 0), tf.fill(tf.shape(s), -1e9), s)
        w = tf.exp(s - tf.reduce_max(s, axis=1, keepdims=True))  # SAFE: max subtracted
        w = w / tf.reduce_sum(w, axis=1, keepdims=True)  # SAFE: the largest weight is exp(0)=1
        return tf.reduce_sum(x * w[..., None], axis=1)


inp = layers.Input((args.maxlen,), dtype="int64")
emb = layers.Embedding(args.vocab, 64)(inp)
emb = layers.Dropout(0.2)(emb)
if args.pool == "mean":
    pooled = MaskedMean()(emb, inp)
else:
    pooled = AttnPool()(emb, inp)
h = layers.Dense(64, activation="relu")(pooled)
h = layers.Dropout(0.3)(h)
out = layers.Dense(1, activation="sigmoid")(h)
model = tf.keras.Model(inp, out)
model.summary()

model.compile(
    loss=losses.BinaryCrossentropy(from_logits=True),  # BUG: loss-pairing, the output already has a sigmoid
    optimizer=tf.keras.optimizers.Adam(args.lr),
    metrics=[tf.keras.metrics.BinaryAccuracy(threshold=0.5)],
)
hist = model.fit(train, validation_data=val, epochs=args.epochs)

loss, acc = model.evaluate(test)
print("test", loss, acc)


# ---- second attempt: hand made loop with class weights ------------------
n_pos = tf.constant(0.0)
n_all = tf.constant(0.0)
for _, y in raw_train:
    n_pos += tf.reduce_sum(tf.cast(y, tf.float32))
    n_all += tf.cast(tf.size(y), tf.float32)
pos_rate = tf.clip_by_value(n_pos / tf.maximum(n_all, 1.0), 0.01, 0.99)  # SAFE: maximum(count, 1)
w_pos = 0.5 / pos_rate  # SAFE: pos_rate clipped to at least 0.01
w_neg = 0.5 / (1.0 - pos_rate)  # SAFE: and at most 0.99

opt = tf.keras.optimizers.RMSprop(1e-4)


@tf.function
def train_step(x, y):
    y = tf.cast(y[:, None], tf.float32)
    with tf.GradientTape() as tape:
        p = model(x, training=True)
        p = tf.clip_by_value(p, 1e-6, 1 - 1e-6)
        ll = w_pos * y * tf.math.log(p) + w_neg * (1 - y) * tf.math.log(1 - p)  # SAFE: clipped at 1e-6, representable next to 1
        loss = -tf.reduce_mean(ll)
    g = tape.gradient(loss, model.trainable_variables)
    opt.apply_gradients(zip(g, model.trainable_variables))
    return loss


for epoch in range(3):
    m = tf.keras.metrics.Mean()
    for x, y in train:
        m.update_state(train_step(x, y))
    print(epoch, m.result().numpy())
