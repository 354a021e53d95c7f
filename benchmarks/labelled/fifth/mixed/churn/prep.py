"""Column-wise preparation of the customer table with pandas and NumPy."""
import numpy as np
import pandas as pd


class Winsor:
    def __init__(self, q):
        self.q = q

    def fit(self, df):
        self.lo, self.hi = df.quantile(self.q), df.quantile(1.0 - self.q)
        return self

    def transform(self, df):
        return df.clip(self.lo, self.hi, axis=1)


class RobustScaler:
    """Centre by the median, scale by the interquartile range or the deviation."""

    def __init__(self, min_std):
        self.min_std = min_std

    def fit(self, df):
        self.med = df.median()
        iqr = df.quantile(0.75) - df.quantile(0.25)
        std = df.std().fillna(0.0)
        scale = iqr.where(iqr > self.min_std, std)
        self.scale = scale.where(scale > self.min_std, 1.0)
        return self

    def transform(self, df):
        return ((df - self.med) / self.scale).clip(-10, 10)  # SAFE: fit() replaced small ranges by the deviation or by 1


class TargetEncoder:
    def __init__(self, columns, prior_weight=20.0):
        self.columns, self.m = columns, prior_weight
        self.maps = {}

    def fit(self, df, y):
        self.prior = float(np.clip(y.mean(), 1e-3, 1 - 1e-3))
        for c in self.columns:
            g = pd.DataFrame({"k": df[c].values, "y": y}).groupby("k")["y"].agg(["sum", "count"])
            rate = (g["sum"] + self.m * self.prior) / (g["count"] + self.m)  # SAFE: counts plus the prior weight 20
            self.maps[c] = np.log(rate / (1.0 - rate))  # SAFE: the prior is within (0, 1), so the smoothed rate is too
        return self

    def transform(self, df):
        base = np.log(self.prior / (1.0 - self.prior))  # SAFE: the prior is clipped to [0.001, 0.999]
        return pd.DataFrame({c: df[c].map(self.maps[c]).astype("float64").fillna(base) for c in self.columns})


def ratios(df):
    out = df.copy()
    tenure = out["tenure"].clip(lower=0)
    out["avg_charge"] = out["TotalCharges"] / tenure.where(tenure > 0, 1)  # SAFE: new customers with tenure 0 divide by 1
    out["log_total"] = np.log1p(out["TotalCharges"].clip(lower=0))  # SAFE: cut at 0
    out["charge_change"] = np.sqrt((out["MonthlyCharges"] - out["avg_charge"]).abs())  # SAFE: absolute value, a NumPy feature without gradient
    return out


def read(opt):
    df = pd.read_csv(opt.csv)
    df["TotalCharges"] = pd.to_numeric(df["TotalCharges"], errors="coerce").fillna(0.0)
    y = (df.pop(opt.target) == "Yes").astype("float32").values
    return ratios(df), y


def make(df_train, y_train, df_test, opt):
    num = [c for c in df_train.columns if pd.api.types.is_numeric_dtype(df_train[c])]
    cat = [c for c in df_train.columns if c not in num and df_train[c].nunique() < 50]
    win = Winsor(opt.winsor).fit(df_train[num])
    sc = RobustScaler(opt.min_std).fit(win.transform(df_train[num]))
    te = TargetEncoder(cat).fit(df_train, y_train)

    def apply(df):
        a = sc.transform(win.transform(df[num])).fillna(0.0).values
        return np.concatenate([a, te.transform(df).values], axis=1).astype("float32")
    return apply(df_train), apply(df_test)
