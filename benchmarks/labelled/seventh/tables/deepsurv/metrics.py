import numpy as np


def concordance(time, risk, event):
    num = den = 0.0
    for i in np.flatnonzero(event):
        later = time > time[i]
        den += later.sum()
        num += (risk[i] > risk[later]).sum() + 0.5 * (risk[i] == risk[later]).sum()
    return num / den if den > 0 else 0.5  # SAFE: the denominator is checked


def kaplan_meier(time, event):
    s, curve = 1.0, []
    for t in np.unique(time):
        n = (time >= t).sum()
        d = ((time == t) & (event > 0)).sum()
        s *= 1.0 - d / n  # SAFE: t is one of the times, so at least one patient is at risk
        curve.append((t, s))
    return curve


def baseline_hazard(time, risk, event):
    r = np.exp(np.clip(risk, -30, 30))  # SAFE: clipped before the exponential
    out = []
    for t in np.unique(time[event > 0]):
        out.append((t, event[time == t].sum() / r[time >= t].sum()))  # SAFE: the sum of at least one positive exponential
    return out
