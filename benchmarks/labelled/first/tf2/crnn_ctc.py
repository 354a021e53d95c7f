"""Captcha reader, CRNN + CTC, three ways to hook the loss; and a seq2seq fallback."""
import os
import glob
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

W, H, MAXLEN = 200, 50, 5
files = sorted(glob.glob("captcha_images_v2/*.png"))
labels = [os.path.basename(f)[:-4] for f in files]
chars = sorted(set("".join(labels)))
to_num = layers.StringLookup(vocabulary=chars, mask_token=None)


def encode(path, label, binarise=False):
    im = tf.io.decode_png(tf.io.read_file(path), channels=1)
    im = tf.image.convert_image_dtype(im, tf.float32)
    im = tf.image.resize(im, [H, W])
    im = tf.transpose(im, [1, 0, 2])
    if binarise:
        im = im / tf.reduce_max(im)  # BUG: div-zero, used below on crops that can be all black, 0/0 in the input
    return im, to_num(tf.strings.unicode_split(label, "UTF-8"))


def encode_std(path, label):
    im, y = encode(path, label)
    return tf.image.per_image_standardization(im), y  # SAFE: library op bounds the deviation from below


n = int(0.9 * len(files))
train = tf.data.Dataset.from_tensor_slices((files[:n], labels[:n])).map(encode).batch(16).prefetch(2)
train_std = tf.data.Dataset.from_tensor_slices((files[:n], labels[:n])).map(encode_std).batch(16)
crops = tf.data.Dataset.from_tensor_slices((files[:n], labels[:n])).map(lambda a, b: encode(a, b, True)).batch(16)


def crnn(act):
    i = layers.Input((W, H, 1))
    x = layers.Conv2D(32, 3, activation="relu", padding="same")(i)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, activation="relu", padding="same")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Reshape((W // 4, (H // 4) * 64))(x)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Bidirectional(layers.LSTM(128, return_sequences=True, dropout=0.25))(x)
    return keras.Model(i, layers.Dense(len(chars) + 2, activation=act)(x))


def ctc_batch(y_true, y_pred):
    b = tf.shape(y_true)[0]
    il = tf.fill([b, 1], tf.shape(y_pred)[1])
    ll = tf.fill([b, 1], tf.shape(y_true)[1])
    return keras.backend.ctc_batch_cost(y_true, y_pred, il, ll)  # SAFE: expects softmax, adds epsilon before its log


def ctc_logits(y_true, y_pred):
    b, t = tf.shape(y_pred)[0], tf.shape(y_pred)[1]
    return tf.reduce_mean(tf.nn.ctc_loss(tf.cast(y_true, tf.int32), y_pred, tf.fill([b], tf.shape(y_true)[1]), tf.fill([b], t), logits_time_major=False, blank_index=-1))  # SAFE: takes logits, used with the linear head


m1 = crnn("softmax")
m1.compile(optimizer=keras.optimizers.Adam(), loss=ctc_batch)  # SAFE: softmax output with ctc_batch_cost
m1.fit(train, epochs=50)  # SAFE: convert_image_dtype scales to 0..1

m2 = crnn(None)
m2.compile(optimizer="adam", loss=ctc_logits)  # SAFE: linear output with logits loss
m2.fit(train_std, epochs=50)

m3 = crnn("softmax")
m3.compile(optimizer="adam", loss=ctc_logits)  # BUG: loss-pairing, softmax output goes to tf.nn.ctc_loss which takes logits
m3.fit(crops, epochs=20)


class CTCLayer(layers.Layer):
    def call(self, y_true, y_pred):
        self.add_loss(tf.reduce_mean(ctc_batch(y_true, y_pred)))
        return y_pred


class Bahdanau(layers.Layer):
    """seq2seq fallback for the ones CTC gets wrong"""

    def __init__(self, u):
        super().__init__()
        self.W1, self.W2, self.V = layers.Dense(u), layers.Dense(u), layers.Dense(1)

    def call(self, q, v):
        s = self.V(tf.nn.tanh(self.W1(q[:, None]) + self.W2(v)))
        a = tf.nn.softmax(s, axis=1)  # SAFE: fused
        return tf.reduce_sum(a * v, 1)


class Decoder(keras.Model):
    def __init__(self, vocab, u=128):
        super().__init__()
        self.emb, self.gru, self.att = layers.Embedding(vocab, 32), layers.GRUCell(u), Bahdanau(u)
        self.out = layers.Dense(vocab)
        self.u = u

    def call(self, feats, y):
        h = tf.zeros([tf.shape(feats)[0], self.u])
        outs = []
        for t in range(MAXLEN):
            c = self.att(h, feats)
            x = tf.concat([self.emb(y[:, t]), c], -1)
            o, h = self.gru(x, [h])
            h = h[0] if isinstance(h, (list, tuple)) else h
            outs.append(self.out(o))
        return tf.stack(outs, 1)


enc = keras.Model(m1.input, m1.layers[-2].output)
dec = Decoder(len(chars) + 2)
opt = keras.optimizers.Adam(1e-3)
sce = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # SAFE: Decoder.out is linear
for ep in range(10):
    for im, y in train:
        start = tf.zeros_like(y[:, :1])
        with tf.GradientTape() as tape:
            f = enc(im, training=True)
            f = f / tf.maximum(tf.norm(f, axis=-1, keepdims=True), 1e-3)  # SAFE: LSTM states are not exactly zero vectors, and the quotient is floored
            lo = dec(f, tf.concat([start, y[:, :-1]], 1))
            loss = sce(y, lo)
            lp = tf.nn.log_softmax(lo)  # SAFE: log_softmax
            ent = -tf.reduce_sum(tf.exp(lp) * lp, -1)  # SAFE: exp of a log probability
            loss -= 0.01 * tf.reduce_mean(ent)
        vs = enc.trainable_variables + dec.trainable_variables
        opt.apply_gradients(zip(tape.gradient(loss, vs), vs))
    print(ep, float(loss), float(tf.exp(loss)))  # SAFE: printing
