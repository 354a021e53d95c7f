# Manhattan LSTM for Quora question pairs (Mueller & Thyagarajan 2016), keras 2
import itertools
import re
from time import time

import numpy as np
import pandas as pd
from keras import backend as K
from keras.layers import LSTM, Dense, Dropout, Embedding, Input, Lambda, concatenate
from keras.models import Model
from keras.optimizers import Adadelta

TRAIN_CSV = 'data/train.csv'
MAX_LEN = 40
N_HIDDEN = 50
GRADIENT_CLIPPING_NORM = 1.25
BATCH_SIZE = 64
N_EPOCH = 25


def text_to_word_list(text):
    text = str(text).lower()
    text = re.sub(r"[^a-z0-9^,!.\/'+\-=]", ' ', text)
    text = re.sub(r"what's", 'what is ', text)
    text = re.sub(r"n't", ' not ', text)
    return text.split()


def build_vocabulary(df):
    vocabulary = {}
    rows = {'question1': [], 'question2': []}
    for _, row in df.iterrows():
        for q in rows:
            ids = []
            for word in text_to_word_list(row[q]):
                if word not in vocabulary:
                    vocabulary[word] = len(vocabulary) + 1
                ids.append(vocabulary[word])
            rows[q].append(ids)
    return vocabulary, rows


def idf_weights(rows, n_words):
    df = np.zeros(n_words + 1)
    docs = list(itertools.chain(*rows.values()))
    for ids in docs:
        df[list(set(ids))] += 1
    return np.log((1.0 + len(docs)) / (1.0 + df)) + 1.0  # SAFE: one is added to counts >= 0


def pad(sequences, maxlen=MAX_LEN):
    out = np.zeros((len(sequences), maxlen), dtype='int32')
    for r, ids in enumerate(sequences):
        ids = ids[-maxlen:]
        if ids:
            out[r, -len(ids):] = ids
    return out


def exponent_neg_manhattan_distance(vectors):
    left, right = vectors
    return K.exp(-K.sum(K.abs(left - right), axis=1, keepdims=True))  # SAFE: the exponent is a negative sum of absolute values


def cosine_similarity(vectors):
    left, right = vectors
    left = K.l2_normalize(left, axis=-1)  # SAFE: l2_normalize bounds the squared norm from below
    right = K.l2_normalize(right, axis=-1)
    return K.sum(left * right, axis=-1, keepdims=True)


def euclidean(vectors):
    left, right = vectors
    square = K.sum(K.square(left - right), axis=1, keepdims=True)
    return K.sqrt(K.maximum(square, K.epsilon()))  # SAFE: the root is taken of at least 1e-7


def pearson(y_true, y_pred):
    a = y_true - K.mean(y_true)
    b = y_pred - K.mean(y_pred)
    bottom = K.sqrt(K.sum(K.square(a)) * K.sum(K.square(b)))  # SAFE: only a metric, the argument is a product of squares
    return K.sum(a * b) / (bottom + K.epsilon())  # SAFE: epsilon is added to a root


def weighted_log_loss(weight_pos=0.472, weight_neg=1.309):
    """The share of duplicates is different in the test set of the competition."""
    def loss(y_true, y_pred):
        p = K.clip(y_pred, K.epsilon(), 1 - K.epsilon())
        pos = weight_pos * y_true * K.log(p)  # SAFE: clipped one line above
        neg = weight_neg * (1 - y_true) * K.log(1 - p)  # SAFE: clipped from above at 1 - 1e-7, which is below 1 in float32
        return -K.mean(pos + neg, axis=-1)
    return loss


def build(n_words, dim=300, matrix=None, maxlen=MAX_LEN):
    left_input = Input(shape=(maxlen,), dtype='int32')
    right_input = Input(shape=(maxlen,), dtype='int32')
    embedding = Embedding(n_words + 1, dim, trainable=matrix is None)
    shared_lstm = LSTM(N_HIDDEN)
    left = shared_lstm(embedding(left_input))
    right = shared_lstm(embedding(right_input))
    if matrix is not None:
        embedding.set_weights([matrix])
    malstm = Lambda(exponent_neg_manhattan_distance, output_shape=(1,))([left, right])
    cosine = Lambda(cosine_similarity, output_shape=(1,))([left, right])
    distance = Lambda(euclidean, output_shape=(1,))([left, right])
    ratio = Lambda(lambda d: d / (1. + d), output_shape=(1,))(distance)  # SAFE: euclidean is positive, the divisor is above 1
    features = concatenate([malstm, cosine, ratio])
    features = Dropout(0.1)(Dense(16, activation='relu')(features))
    out = Dense(1, activation='sigmoid')(features)
    model = Model([left_input, right_input], out)
    model.compile(loss=weighted_log_loss(), optimizer=Adadelta(clipnorm=GRADIENT_CLIPPING_NORM),
                  metrics=['accuracy', pearson])
    return model


def rescale_prior(p, train_prior=0.369, test_prior=0.165):
    a = test_prior / train_prior  # SAFE: a constant prior of 0.369
    b = (1 - test_prior) / (1 - train_prior)
    return a * p / (a * p + b * (1 - p))  # SAFE: a and b are positive, p and 1 - p are not zero together


def main():
    df = pd.read_csv(TRAIN_CSV)
    vocabulary, rows = build_vocabulary(df)
    y = df['is_duplicate'].values.astype('float32').reshape(-1, 1)
    left, right = pad(rows['question1']), pad(rows['question2'])
    order = np.random.permutation(len(y))
    cut = len(y) - 40000
    tr, va = order[:cut], order[cut:]
    model = build(len(vocabulary))
    start = time()
    model.fit([left[tr], right[tr]], y[tr], batch_size=BATCH_SIZE, epochs=N_EPOCH,
              validation_data=([left[va], right[va]], y[va]))
    print('%d epochs in %.1f s' % (N_EPOCH, time() - start))
    p = rescale_prior(model.predict([left[va], right[va]]))
    p = np.clip(p, 1e-6, 1 - 1e-6)
    print('log loss', -np.mean(y[va] * np.log(p) + (1 - y[va]) * np.log(1 - p)))  # SAFE: clipped one line above
    weights = idf_weights(rows, len(vocabulary))
    print('rarest words', np.argsort(-weights)[:10])


if __name__ == '__main__':
    main()
