import numpy as np
import tensorflow as tf
from tensorflow import keras

from dataset import Ratings
from model import TwoTower
from settings import parse_args


def ndcg(scores, positives, k=10):
    top = np.argsort(-scores)[:k]
    gain = np.array([1.0 if i in positives else 0.0 for i in top])
    disc = 1.0 / np.log2(np.arange(len(top)) + 2.0)  # SAFE: the argument starts at 2
    ideal = disc[:max(1, min(k, len(positives)))].sum()
    return float((gain * disc).sum() / ideal)


def build(args, data):
    model = TwoTower(len(data.users), len(data.items), args.dim, data.log_popularity(),
                     args.temperature, args.retrieval_weight)
    model.compile(optimizer=keras.optimizers.Adagrad(args.lr * 10))
    return model


def evaluate(model, data, sample=200):
    _, items = model.user_tower, np.arange(len(data.items))
    v = model.item_tower(items)
    out = []
    for u in np.random.permutation(len(data.users))[:sample]:
        pos = set(data.item_idx[(data.user_idx == u) & (data.r >= 4)])
        q = model.user_tower(np.array([u]))
        out.append(ndcg(tf.matmul(q, v, transpose_b=True)[0].numpy(), pos))
    return float(np.mean(out))


def main():
    args = parse_args()
    keras.utils.set_random_seed(5)
    data = Ratings(args.ratings)
    model = build(args, data)
    model.fit(data.as_dataset(args.batch), epochs=args.epochs, verbose=2,
              callbacks=[keras.callbacks.TerminateOnNaN()])
    print("ndcg@10 %.4f" % evaluate(model, data))
    model.save_weights("towers.weights.h5")


if __name__ == "__main__":
    main()
