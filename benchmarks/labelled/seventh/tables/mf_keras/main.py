import argparse
import json
import os

import keras
import numpy as np

import ratings
import settings
from models import compiled


class BiasReport(keras.callbacks.Callback):
    """Correlation of learned item biases with damped item means."""

    def __init__(self, reference):
        super().__init__()
        self.ref = reference

    def on_epoch_end(self, epoch, logs=None):
        try:
            b = self.model.get_layer("bi").get_weights()[0][:, 0]
        except ValueError:
            return
        a, b = self.ref - self.ref.mean(), b - b.mean()
        corr = (a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9)  # SAFE: epsilon, a report only
        print(f" bias correlation {corr:.3f}")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--ratings", default="ml-1m/ratings.dat")
    ap.add_argument("--model", default="svd", choices=sorted(settings.MODELS))
    ap.add_argument("--time-weights", action="store_true")
    ap.add_argument("--out", default="runs")
    a = ap.parse_args()
    u, i, r, t = ratings.read(a.ratings)
    cfg = settings.get(a.model)
    cfg.update(n_users=int(u.max()) + 1, n_items=int(i.max()) + 1, global_mean=float(r.mean()))
    (tu, ti, tr), (vu, vi, vr) = ratings.chronological_split(u, i, r, t)
    w = ratings.sample_weights(np.sort(t)[: len(tr)]) if a.time_weights else None
    model = compiled(cfg)
    model.fit([tu, ti], tr[:, None], sample_weight=w, batch_size=cfg["batch_size"], epochs=cfg["epochs"],
              validation_data=([vu, vi], vr[:, None]), verbose=2,
              callbacks=[BiasReport(ratings.damped_means(ti, tr, cfg["n_items"], cfg["global_mean"])),
                         keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)])
    p = model.predict([vu, vi], batch_size=8192, verbose=0)[:, 0]
    result = {"rmse": ratings.rmse(np.clip(p, 1, 5), vr), "ndcg": ratings.ndcg(p, vu, vr)}
    print(result)
    os.makedirs(a.out, exist_ok=True)
    with open(os.path.join(a.out, a.model + ".json"), "w") as fh:
        json.dump({"config": cfg, "result": result}, fh, indent=1)


if __name__ == "__main__":
    main()
