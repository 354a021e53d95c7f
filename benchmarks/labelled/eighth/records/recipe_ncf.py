"""Neural collaborative filtering on recipe saves, NeuMF with shared regularisation.

notebook export; cells are separated with # %%
"""
# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.keras import Input, Model, callbacks, layers, regularizers

DATA = Path(os.environ.get("RECIPES", "recipes"))
NEG = 4
GMF_DIM, MLP_DIM = 16, 32
L2 = 1e-6
SEED = 2024

# %%
saves = pd.read_parquet(DATA / "saves.parquet")
recipes = pd.read_parquet(DATA / "recipes.parquet").set_index("recipe_id")
saves = saves.drop_duplicates(["user_id", "recipe_id"]).sort_values("saved_at")
per_user = saves.groupby("user_id")["recipe_id"].transform("size")
saves = saves[per_user >= 5]
users = {u: i for i, u in enumerate(saves["user_id"].unique())}
items = {r: i for i, r in enumerate(saves["recipe_id"].unique())}
saves["u"] = saves["user_id"].map(users).astype("int32")
saves["i"] = saves["recipe_id"].map(items).astype("int32")

# %%
# side information of recipes: minutes, calories and the share of five-star ratings
side = recipes.loc[list(items)]
minutes = np.log1p(side["minutes"].clip(0, 2880).fillna(30).to_numpy())  # SAFE: clipped at zero
calories = np.log1p(side["calories"].clip(0, 5000).fillna(300).to_numpy())  # SAFE: clipped at zero
stars = (side["five_star"].fillna(0) + 1.0) / (side["ratings"].fillna(0) + 2.0)  # SAFE: two are added to the count
side = np.stack([minutes, calories, stars.to_numpy()], 1)
side = ((side - side.mean(0)) / (side.std(0) + 1e-6)).astype("float32")  # SAFE: double precision with 1e-6 and varied columns


# %%
def split_last(df):
    last = df.groupby("u").tail(1)
    return df.drop(last.index), last


train, test = split_last(saves)
history = train.groupby("u")["i"].agg(set).to_dict()


def with_negatives(df, rng):
    n = len(df)
    u = np.repeat(df["u"].to_numpy(), NEG + 1)
    i = np.repeat(df["i"].to_numpy(), NEG + 1)
    y = np.zeros(n * (NEG + 1), "float32")
    y[::NEG + 1] = 1.0
    wrong = y == 0
    i[wrong] = rng.integers(0, len(items), wrong.sum())
    clash = np.array([it in history.get(us, ()) for us, it in zip(u[wrong], i[wrong])])
    print(f"false negatives {clash.mean():.4%}")
    return u, i, y


# %%
def embedding(n, dim, name):
    return layers.Embedding(n, dim, embeddings_initializer="he_normal", embeddings_regularizer=regularizers.l2(L2), name=name)


def neumf(n_users, n_items, n_side, out_activation="softmax"):
    u, i = Input((), dtype="int32", name="u"), Input((), dtype="int32", name="i")
    s = Input((n_side,), name="side")
    gmf = layers.Multiply()([embedding(n_users, GMF_DIM, "gu")(u), embedding(n_items, GMF_DIM, "gi")(i)])
    mlp = layers.Concatenate()([embedding(n_users, MLP_DIM, "mu")(u), embedding(n_items, MLP_DIM, "mi")(i), s])
    for width in (64, 32, 16):
        mlp = layers.Dense(width, activation="relu")(mlp)
        mlp = layers.Dropout(0.1)(mlp)
    both = layers.Concatenate()([gmf, mlp])
    p = layers.Dense(1, activation=out_activation, name="p")(both)
    return Model([u, i, s], p)


class Ranking(callbacks.Callback):
    """HR@10 against 99 random recipes."""

    def __init__(self, frame, rng):
        super().__init__()
        self.u = frame["u"].to_numpy()[:2000]
        cand = rng.integers(0, len(items), (len(self.u), 99))
        self.i = np.concatenate([frame["i"].to_numpy()[:2000, None], cand], 1)

    def on_epoch_end(self, epoch, logs=None):
        flat = self.i.reshape(-1)
        p = self.model.predict([np.repeat(self.u, 100), flat, side[flat]], batch_size=65536, verbose=0).reshape(-1, 100)
        rank = (p[:, 1:] > p[:, :1]).sum(1)
        hr = (rank < 10).mean()
        ndcg = np.where(rank < 10, 1.0 / np.log2(rank + 2.0), 0.0).mean()  # SAFE: rank + 2 is at least two
        mrr = (1.0 / (rank + 1.0)).mean()  # SAFE: rank + 1 is at least one
        print(f" - HR@10 {hr:.4f} NDCG {ndcg:.4f} MRR {mrr:.4f}")


# %%
if __name__ == "__main__":
    tf.keras.utils.set_random_seed(SEED)
    rng = np.random.default_rng(SEED)
    u, i, y = with_negatives(train, rng)
    base = float(y.mean())
    prior = np.log(base / (1 - base))  # SAFE: a fifth of the rows are positive
    print("prior logit %.3f, entropy %.4f" % (prior, -(base * np.log(base) + (1 - base) * np.log(1 - base))))  # SAFE: a fifth of the rows are positive
    model = neumf(len(users), len(items), side.shape[1])
    model.compile(optimizer=tf.keras.optimizers.Adam(1e-3),
                  loss=tf.keras.losses.MeanSquaredError(), metrics=["AUC"])  # BUG: loss-pairing, softmax over a single unit is always one and nothing can be learned
    model.fit([u, i, side[i]], y, batch_size=4096, epochs=12, shuffle=True, verbose=2,  # SAFE: the side columns are standardised
              callbacks=[Ranking(test, rng), callbacks.ModelCheckpoint("ncf.keras", monitor="loss", save_best_only=True)])
