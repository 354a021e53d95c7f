"""Statistical downscaling of reanalysis to station grid: precipitation, radiation balance, wind."""
import argparse
import logging
import os

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

SIGMA = 5.670374e-8
EPS_W = 0.622
CHANNELS = ["t2m", "d2m", "sp", "u10", "v10", "tp", "ssrd", "strd"]
log = logging.getLogger("downscale")


class ChannelScaler:
    """Per-variable standardisation from the training years."""

    def __init__(self, mean, std):
        self.mean = np.asarray(mean, np.float32)
        self.std = np.maximum(np.asarray(std, np.float32), 1e-6)

    @classmethod
    def fit(cls, x):
        return cls(x.mean((0, 1, 2)), x.std((0, 1, 2)))

    def __call__(self, x):
        return (x - self.mean) / self.std  # SAFE: std floored at 1e-6 in the constructor


def saturation_pressure(t_kelvin):
    """Magnus formula, hPa."""
    c = tf.clip_by_value(t_kelvin - 273.15, -80.0, 60.0)
    return 6.112 * tf.exp(17.62 * c / (243.12 + c))  # SAFE: c in [-80, 60], the denominator is at least 163


def relative_humidity(t, td):
    return tf.clip_by_value(saturation_pressure(td) / saturation_pressure(t), 0.0, 1.05)  # SAFE: saturation pressure is bounded below by the clip on temperature


def mixing_ratio(td, p_hpa):
    e = saturation_pressure(td)
    return EPS_W * e / tf.maximum(p_hpa - e, 10.0)  # SAFE: floored at 10 hPa


def wind_direction(u, v):
    """Training features only, u and v are data."""
    return tf.math.atan2(u, v)  # SAFE: inputs of the network, never differentiated; atan2(0, 0) is 0


def wind_speed(u, v):
    return tf.sqrt(tf.square(u) + tf.square(v))  # SAFE: computed in the tf.data pipeline on observations, no gradient


def features(x):
    t, td, sp, u, v, tp = [x[..., i] for i in range(6)]
    extra = [relative_humidity(t, td), mixing_ratio(td, sp / 100.0), wind_speed(u, v),
             tf.sin(wind_direction(u, v)), tf.math.log1p(tf.maximum(tp, 0.0) * 1000.0)]  # SAFE: precipitation cut at 0
    return tf.concat([x, tf.stack(extra, -1)], -1)


def build(h, w, c, up=2):
    inp = keras.Input((h, w, c))
    x = layers.Conv2D(32, 3, padding="same", activation="swish")(inp)
    for _ in range(2):
        y = layers.Conv2D(32, 3, padding="same", activation="swish")(x)
        x = layers.Add()([x, layers.Conv2D(32, 3, padding="same")(y)])
    x = layers.UpSampling2D(up, interpolation="bilinear")(x)
    x = layers.Conv2D(32, 3, padding="same", activation="swish")(x)
    return keras.Model(inp, layers.Conv2D(6, 1)(x))


def split_heads(raw):
    return {"p_wet": raw[..., 0], "shape": raw[..., 1], "scale": raw[..., 2],
            "flux": raw[..., 3], "uv": raw[..., 4:6]}


def bernoulli_gamma(y, p_logit, raw_shape, raw_scale, wet=0.1):
    """Occurrence and amount of daily precipitation (mm)."""
    k = 0.1 + tf.nn.softplus(raw_shape)
    th = 0.1 + tf.nn.softplus(raw_scale)
    is_wet = tf.cast(y > wet, tf.float32)
    amount = tf.maximum(y, wet)
    gamma_ll = (k - 1.0) * tf.math.log(amount) - amount / th - k * tf.math.log(th) - tf.math.lgamma(k)  # SAFE: amount >= 0.1, k and th are at least 0.1
    occ = tf.nn.sigmoid_cross_entropy_with_logits(labels=is_wet, logits=p_logit)  # SAFE: linear output channel 0
    return tf.reduce_mean(occ - is_wet * gamma_ll)


def expected_rain(p_logit, raw_shape, raw_scale):
    return tf.sigmoid(p_logit) * (0.1 + tf.nn.softplus(raw_shape)) * (0.1 + tf.nn.softplus(raw_scale))


def radiative_temperature_loss(raw_flux, t_obs):
    """Skin temperature from the predicted upward longwave flux (W / m2)."""
    t = tf.pow(400.0 + 100.0 * raw_flux, 0.25) / SIGMA ** 0.25  # BUG: domain, raw_flux is a linear output: below -4 the base is negative and the fourth root is NaN
    return tf.reduce_mean(tf.square((t - t_obs) / 10.0))


def wind_loss(uv, uv_obs):
    """Error of vector plus error of speed."""
    vec = tf.reduce_mean(tf.square(uv - uv_obs))
    speed = tf.sqrt(tf.reduce_sum(tf.square(uv), -1) + 1e-6)  # SAFE: 1e-6 inside the root
    speed_obs = tf.sqrt(tf.reduce_sum(tf.square(uv_obs), -1))  # SAFE: observations, no gradient flows into the root
    return vec + tf.reduce_mean(tf.square(speed - speed_obs))


def direction_loss(uv, uv_obs):
    calm = tf.norm(uv_obs, axis=-1) < 0.5
    a = tf.math.l2_normalize(uv, -1)  # SAFE: squared norm floored at 1e-12
    b = tf.math.l2_normalize(uv_obs, -1)  # SAFE: squared norm floored at 1e-12
    return tf.reduce_mean(tf.where(calm, 0.0, 1.0 - tf.reduce_sum(a * b, -1)))  # SAFE: the hidden branch is finite with finite slope


def spatial_correlation_loss(p, y):
    p = p - tf.reduce_mean(p, [1, 2], keepdims=True)
    y = y - tf.reduce_mean(y, [1, 2], keepdims=True)
    cov = tf.reduce_mean(p * y, [1, 2])
    return tf.reduce_mean(1.0 - cov / (tf.math.reduce_std(p, [1, 2]) * tf.math.reduce_std(y, [1, 2])))  # BUG: div-zero, a dry day has y = 0 everywhere: standard deviation 0 and 0/0


def skill(pred, obs, clim):
    num = np.mean((pred - obs) ** 2)
    den = np.mean((clim - obs) ** 2)
    return 1.0 - num / max(den, 1e-9)  # SAFE: floored at 1e-9


class Downscaler:
    def __init__(self, net, lr, weights):
        self.net = net
        self.w = weights
        self.opt = keras.optimizers.AdamW(lr, weight_decay=1e-4)

    def losses(self, raw, obs):
        h = split_heads(raw)
        rain = expected_rain(h["p_wet"], h["shape"], h["scale"])
        return {
            "rain": bernoulli_gamma(obs["tp"], h["p_wet"], h["shape"], h["scale"]),
            "pattern": spatial_correlation_loss(rain, obs["tp"]),
            "skin": radiative_temperature_loss(h["flux"], obs["skt"]),
            "wind": wind_loss(h["uv"], obs["uv"]) + 0.1 * direction_loss(h["uv"], obs["uv"]),
        }

    def step(self, x, obs):
        with tf.GradientTape() as tape:
            parts = self.losses(self.net(x, training=True), obs)
            total = tf.add_n([self.w[k] * v for k, v in parts.items()])
        v = self.net.trainable_variables
        g, norm = tf.clip_by_global_norm(tape.gradient(total, v), 1.0)
        self.opt.apply_gradients(zip(g, v))
        return parts, norm


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("npz")
    ap.add_argument("--lr", type=float, default=5e-4)
    ap.add_argument("--epochs", type=int, default=40)
    ap.add_argument("--batch", type=int, default=16)
    ap.add_argument("--out", default="downscale")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    with np.load(a.npz) as z:
        x = features(tf.constant(z["x"], tf.float32)).numpy()
        obs = {k: z[k].astype(np.float32) for k in ("tp", "skt", "uv")}
    x = ChannelScaler.fit(x)(x)
    ds = tf.data.Dataset.from_tensor_slices((x, obs)).shuffle(2000).batch(a.batch, drop_remainder=True)
    model = Downscaler(build(*x.shape[1:]), a.lr, dict(rain=1.0, pattern=0.2, skin=0.5, wind=0.5))
    step = tf.function(model.step)
    os.makedirs(a.out, exist_ok=True)
    for epoch in range(a.epochs):
        for xb, ob in ds:
            parts, norm = step(xb, ob)
        log.info("epoch %d %s |g| %.3f", epoch, {k: float(v) for k, v in parts.items()}, norm)
        h = split_heads(model.net(xb))
        rain = expected_rain(h["p_wet"], h["shape"], h["scale"]).numpy()
        log.info("   rain skill %.3f", skill(rain, ob["tp"].numpy(), obs["tp"].mean(0)))
        model.net.save_weights(os.path.join(a.out, "net.weights.h5"))


if __name__ == "__main__":
    main()
