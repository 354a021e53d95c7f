"""python forecast.py [run.yaml]"""
import os
import sys

import numpy as np
import yaml
from tensorflow import keras

import mixer
import scada


def persistence(x, ahead):
    return np.repeat(x[:, -1:, 4], ahead, axis=1)


def report(y, p, ref, rated):
    rmse = np.sqrt(((y - p) ** 2).mean(0))  # SAFE: numpy metric
    base = np.sqrt(((y - ref) ** 2).mean(0))  # SAFE: numpy metric
    gain = 1.0 - rmse / np.maximum(base, 1e-6)  # SAFE: floored
    for k in range(0, len(rmse), 3):
        print("t+%3d min  rmse %.1f kW  gain over persistence %.3f" % (10 * (k + 1), rated * rmse[k], gain[k]))
    return float(gain.mean())


def main(path):
    with open(path) as fh:
        cfg = yaml.safe_load(fh)
    keras.utils.set_random_seed(1)
    raw = scada.read(os.path.join(os.path.dirname(path), cfg["scada"]))
    feats, power = scada.features(raw, cfg["rated_kw"])
    n = len(feats)
    cuts = [0, int(0.7 * n), int(0.85 * n), n]
    (xt, yt), (xv, yv), (xe, ye) = (scada.slices(feats, power, cfg["past"], cfg["ahead"], a, b) for a, b in zip(cuts[:-1], cuts[1:]))
    print("%d / %d / %d windows, capacity factor %.3f" % (len(xt), len(xv), len(xe), power.mean()))

    o = cfg["optim"]
    model = mixer.build(cfg["past"], cfg["ahead"], xt.shape[2], **cfg["model"])
    sgd = keras.optimizers.SGD(learning_rate=mixer.scaled_rate(o), momentum=o["momentum"], nesterov=True)  # BUG: rate, the scaling rule makes 0.64 with momentum 0.9 out of 0.01
    model.compile(optimizer=sgd, loss="mse", metrics=["mae"])  # SAFE: power is scaled to its rating and the output is linear
    model.fit(xt, yt, batch_size=o["batch"], epochs=o["epochs"], validation_data=(xv, yv), verbose=2,  # SAFE: inputs are scaled in features()
              callbacks=[keras.callbacks.ReduceLROnPlateau(patience=4, factor=0.3),
                         keras.callbacks.CSVLogger("wind_log.csv")])
    p = np.clip(model.predict(xe, batch_size=4096, verbose=0), 0.0, 1.0)
    gain = report(ye, p, persistence(xe, cfg["ahead"]), cfg["rated_kw"])
    model.save("wind_%s.keras" % cfg["site"])
    print("mean gain %.4f" % gain)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "run.yaml"))
