"""Breslow baseline hazard and survival curves after training (numpy)."""
import numpy as np


def cumulative_hazard(risk, time, event):
    r = np.exp(np.clip(risk.astype(np.float64).ravel(), -50, 50))  # SAFE: clipped, and float64
    order = np.argsort(time)
    t, e, r = time[order], event[order], r[order]
    at_risk = np.cumsum(r[::-1])[::-1]
    inc = e / at_risk  # SAFE: at_risk contains at least the own term, >= exp(-50)
    return t, np.cumsum(inc)


def survival(h0, risk):
    return np.exp(-np.outer(np.exp(np.clip(risk.ravel(), -50, 50)), h0))  # SAFE: outer exponent is <= 0


def concordance(risk, time, event):
    num = den = 0.0
    for i in np.flatnonzero(event):
        later = time > time[i]
        den += later.sum()
        num += (risk[i] > risk[later]).sum() + 0.5 * (risk[i] == risk[later]).sum()
    return num / den if den else 0.5  # SAFE: tested for zero in the same expression
