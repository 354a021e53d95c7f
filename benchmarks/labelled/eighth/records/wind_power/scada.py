"""10-minute SCADA export: time, wind_speed, wind_dir, temp, pressure, power_kw, status"""
import csv

import numpy as np

GAS = 287.05


def read(path):
    rows = []
    with open(path, newline="") as fh:
        for r in csv.DictReader(fh):
            if r["status"] != "ok":
                rows.append([np.nan] * 5)
                continue
            rows.append([float(r[k] or "nan") for k in ("wind_speed", "wind_dir", "temp", "pressure", "power_kw")])
    x = np.array(rows, np.float64)
    for j in range(x.shape[1]):
        ok = np.isfinite(x[:, j])
        if not ok.any():
            raise ValueError("column %d is empty" % j)
        x[:, j] = np.interp(np.arange(len(x)), np.flatnonzero(ok), x[ok, j])
    return x


def density(temp_c, pressure_hpa):
    kelvin = np.maximum(temp_c, -60.0) + 273.15
    return 100.0 * pressure_hpa / (GAS * kelvin)  # SAFE: temperature floored at -60 C, so kelvin is above 200


def features(x, rated):
    speed = np.clip(x[:, 0], 0.0, 40.0)
    angle = np.deg2rad(x[:, 1])
    rho = np.clip(density(x[:, 2], x[:, 3]), 0.9, 1.6)
    effective = speed * np.cbrt(rho / 1.225)  # SAFE: divided by a constant
    power = np.clip(x[:, 4], 0.0, rated) / rated  # SAFE: rated power is 3600 in run.yaml
    cols = [effective / 12.0, np.sin(angle), np.cos(angle), (x[:, 2] - 8.0) / 10.0, power]
    ti = turbulence(speed)
    return np.stack(cols + [ti], 1).astype(np.float32), power.astype(np.float32)


def turbulence(speed, window=6):
    pad = np.concatenate([np.full(window - 1, speed[0]), speed])
    win = np.lib.stride_tricks.sliding_window_view(pad, window)
    mean, sd = win.mean(1), win.std(1)
    return np.clip(sd / np.maximum(mean, 0.5), 0.0, 1.0)  # SAFE: mean wind floored at half a metre per second


def slices(feats, power, past, ahead, lo, hi):
    idx = np.arange(lo + past, hi - ahead)
    x = np.stack([feats[i - past:i] for i in idx])
    y = np.stack([power[i:i + ahead] for i in idx])
    return x, y
