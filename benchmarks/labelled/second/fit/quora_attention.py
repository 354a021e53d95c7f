# Quora Insincere Questions: BiLSTM + attention + focal loss
import gc
import os
import re

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import backend as K
from tensorflow.keras import constraints, initializers, regularizers
from tensorflow.keras.callbacks import Callback, EarlyStopping
from tensorflow.keras.layers import (LSTM, Bidirectional, Concatenate, Dense, Dropout, Embedding,
                                     GlobalMaxPooling1D, Input, Layer, SpatialDropout1D)
from tensorflow.keras.models import Model
from tensorflow.keras.optimizers import Adam

EMBED_SIZE = 300
MAX_FEATURES = 95000
MAXLEN = 70
EMBEDDING_FILE = '../input/embeddings/glove.840B.300d/glove.840B.300d.txt'


class Attention(Layer):
    """Feed forward attention over time steps (Raffel et al.)."""

    def __init__(self, step_dim, W_regularizer=None, b_regularizer=None, W_constraint=None, bias=True, **kwargs):
        self.supports_masking = True
        super().__init__(**kwargs)
        self.init = initializers.get('glorot_uniform')
        self.W_regularizer = regularizers.get(W_regularizer)
        self.b_regularizer = regularizers.get(b_regularizer)
        self.W_constraint = constraints.get(W_constraint)
        self.bias = bias
        self.step_dim = step_dim

    def build(self, input_shape):
        self.features_dim = input_shape[-1]
        self.W = self.add_weight(shape=(self.features_dim,), initializer='uniform', name='att_W',
                                 regularizer=self.W_regularizer, constraint=self.W_constraint)
        if self.bias:
            self.b = self.add_weight(shape=(self.step_dim,), initializer='zeros', name='att_b',
                                     regularizer=self.b_regularizer)
        super().build(input_shape)

    def call(self, x, mask=None):
        eij = tf.reshape(tf.matmul(tf.reshape(x, (-1, self.features_dim)),
                                   tf.reshape(self.W, (self.features_dim, 1))), (-1, self.step_dim))
        if self.bias:
            eij += self.b
        eij = K.tanh(eij)
        a = K.exp(eij)  # SAFE: tanh bounds the exponent to [-1, 1]
        if mask is not None:
            a *= tf.cast(mask, a.dtype)
        a /= K.sum(a, axis=1, keepdims=True) + K.epsilon()  # SAFE: epsilon keeps the sum of a fully masked row above zero
        weighted = x * tf.expand_dims(a, -1)
        return K.sum(weighted, axis=1)

    def compute_mask(self, inputs, mask=None):
        return None


def focal_loss(gamma=2., alpha=.25):
    def loss(y_true, y_pred):
        y_true = tf.cast(y_true, y_pred.dtype)
        eps = 1e-6
        y_pred = K.clip(y_pred, eps, 1. - eps)
        pt_1 = tf.where(tf.equal(y_true, 1), y_pred, tf.ones_like(y_pred))
        pt_0 = tf.where(tf.equal(y_true, 0), y_pred, tf.zeros_like(y_pred))
        pos = alpha * K.pow(1. - pt_1, gamma) * K.log(pt_1)  # SAFE: pt_1 is a clipped probability or 1, and gamma >= 1
        neg = (1 - alpha) * K.pow(pt_0, gamma) * K.log(1. - pt_0)  # SAFE: 1 - pt_0 >= 1e-6 after the clip
        return -K.mean(pos + neg, axis=-1)
    return loss


def f1(y_true, y_pred):
    y_true = tf.cast(y_true, y_pred.dtype)
    tp = K.sum(K.round(y_true * y_pred))
    p = tp / (K.sum(K.round(y_pred)) + K.epsilon())
    r = tp / (K.sum(y_true) + K.epsilon())
    return 2 * p * r / (p + r + K.epsilon())  # SAFE: p and r are >= 0 and epsilon is added


def clean(text):
    text = re.sub(r'[0-9]{2,}', '##', str(text))
    return re.sub(r'([^\w\s])', r' \1 ', text).lower()


def fit_vocab(texts, max_features=MAX_FEATURES):
    freq = {}
    for t in texts:
        for w in t.split():
            freq[w] = freq.get(w, 0) + 1
    words = sorted(freq, key=freq.get, reverse=True)[:max_features - 1]
    return {w: i + 1 for i, w in enumerate(words)}


def encode(texts, vocab, maxlen=MAXLEN):
    out = np.zeros((len(texts), maxlen), dtype='int32')
    for r, t in enumerate(texts):
        ids = [vocab[w] for w in t.split() if w in vocab][:maxlen]
        out[r, maxlen - len(ids):] = ids
    return out


def load_glove(vocab, path=EMBEDDING_FILE, dim=EMBED_SIZE):
    vectors = {}
    with open(path, encoding='utf8') as f:
        for line in f:
            parts = line.rstrip().split(' ')
            if parts[0] in vocab:
                vectors[parts[0]] = np.asarray(parts[1:], dtype='float32')
    all_embs = np.stack(list(vectors.values()))
    mean, std = all_embs.mean(), all_embs.std()
    matrix = np.random.normal(mean, std, (len(vocab) + 1, dim))
    for w, i in vocab.items():
        if w in vectors:
            matrix[i] = vectors[w]
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.maximum(norms, 1e-8)).astype('float32')  # SAFE: norm is bounded from below by 1e-8


def build_model(n_words, matrix=None, maxlen=MAXLEN, dim=EMBED_SIZE):
    inp = Input(shape=(maxlen,))
    emb = Embedding(n_words, dim, trainable=matrix is None, mask_zero=False)
    x = emb(inp)
    if matrix is not None:
        emb.set_weights([matrix])
    x = SpatialDropout1D(0.1)(x)
    x = Bidirectional(LSTM(40, return_sequences=True))(x)
    y = Bidirectional(LSTM(40, return_sequences=True))(x)
    att = Attention(maxlen)(y)
    mx = GlobalMaxPooling1D()(y)
    h = Concatenate()([att, mx])
    h = Dense(16, activation='relu')(h)
    h = Dropout(0.1)(h)
    out = Dense(1, activation='sigmoid')(h)
    model = Model(inp, out)
    model.compile(loss=focal_loss(), optimizer=Adam(learning_rate=1e-3, clipnorm=1.0), metrics=[f1])
    return model


class ThresholdSearch(Callback):
    def __init__(self, x_val, y_val):
        super().__init__()
        self.x_val, self.y_val = x_val, y_val.ravel()
        self.best = (0.0, 0.5)

    def on_epoch_end(self, epoch, logs=None):
        p = self.model.predict(self.x_val, batch_size=1024, verbose=0).ravel()
        for t in np.arange(0.1, 0.5, 0.01):
            hit = (p > t).astype(int)
            tp = int((hit * self.y_val).sum())
            denom = hit.sum() + self.y_val.sum()
            score = 2.0 * tp / denom if denom > 0 else 0.0  # SAFE: divides only when the count is positive
            if score > self.best[0]:
                self.best = (score, t)
        print(' best f1 %.4f at %.2f' % self.best)


def main():
    train = pd.read_csv('../input/train.csv')
    train['question_text'] = train['question_text'].map(clean)
    vocab = fit_vocab(train['question_text'])
    X = encode(train['question_text'].values, vocab)
    y = train['target'].values.astype('float32').reshape(-1, 1)
    cut = int(0.9 * len(X))
    matrix = load_glove(vocab) if os.path.exists(EMBEDDING_FILE) else None
    model = build_model(len(vocab) + 1, matrix)
    model.fit(X[:cut], y[:cut], batch_size=512, epochs=4, validation_data=(X[cut:], y[cut:]),
              callbacks=[ThresholdSearch(X[cut:], y[cut:]), EarlyStopping(patience=2)])
    del X, y
    gc.collect()


if __name__ == '__main__':
    main()
