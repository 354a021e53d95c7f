import argparse

import keras
import numpy as np
import tensorflow as tf

from config import Config
from model import TwoTower


def read_ratings(path):
    data = np.genfromtxt(path, delimiter='::', dtype='int64')
    order = np.lexsort((data[:, 3], data[:, 0]))
    return data[order][:, :2]


def build_examples(pairs, history):
    rows, targets, seen, user = [], [], [], None
    for u, i in pairs:
        if u != user:
            user, seen = u, []
        h = np.zeros(history, dtype='int32')
        last = seen[-history:]
        h[:len(last)] = last
        rows.append(h)
        targets.append(i)
        seen.append(i)
    return np.stack(rows), np.array(targets, dtype='int32')


def make_dataset(history, item, batch_size):
    ds = tf.data.Dataset.from_tensor_slices({'history': history, 'item': item})
    return ds.shuffle(50000).batch(batch_size, drop_remainder=True).prefetch(2)


def recall_at(model, history, item, n_items, k=50):
    users = ops_numpy(model.embed_user(history))
    items = ops_numpy(model.embed_item(np.arange(n_items)))
    top = np.argsort(-users @ items.T, axis=1)[:, :k]
    return float((top == item[:, None]).any(axis=1).sum()) / max(len(item), 1)  # SAFE: the divisor is at least 1


def ops_numpy(x):
    return keras.ops.convert_to_numpy(keras.ops.cast(x, 'float32'))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--ratings', default=Config.ratings)
    p.add_argument('--full-precision', action='store_true')
    args = p.parse_args()
    config = Config(ratings=args.ratings, mixed_precision=not args.full_precision)
    if config.mixed_precision:
        keras.mixed_precision.set_global_policy('mixed_float16')
    history, item = build_examples(read_ratings(config.ratings), config.history)
    counts = np.bincount(item, minlength=config.n_items)
    cut = int(0.9 * len(item))
    model = TwoTower(config, counts)
    model.compile(optimizer=keras.optimizers.Adam(config.lr))
    model.fit(make_dataset(history[:cut], item[:cut], config.batch_size), epochs=config.epochs)
    print('recall@50', recall_at(model, history[cut:cut + 2000], item[cut:cut + 2000], config.n_items))
    model.save_weights('two_tower.weights.h5')


if __name__ == '__main__':
    main()
