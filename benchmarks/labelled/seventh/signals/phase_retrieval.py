"""Coherent diffraction imaging: recover a complex object from measured intensities by gradient descent.

Amplitude and phase are free variables (or come from an untrained CNN), forward model is an angular
spectrum propagator. Reference: Fienup 1982, deep image prior variant of the group's 2021 paper.
"""
import argparse
import logging
import math

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

log = logging.getLogger("cdi")


class Optics:
    def __init__(self, n, pixel=5e-6, wavelength=633e-9, distance=0.05):
        if min(n, pixel, wavelength, distance) <= 0:
            raise ValueError("optical parameters must be positive")
        self.n, self.pixel, self.wavelength, self.distance = n, pixel, wavelength, distance
        fx = np.fft.fftfreq(n, d=pixel)
        gx, gy = np.meshgrid(fx, fx)
        arg = 1.0 - (wavelength * gx) ** 2 - (wavelength * gy) ** 2
        kz = 2.0 * math.pi / wavelength * np.sqrt(np.maximum(arg, 0.0))  # SAFE: numpy constant, wavelength positive (checked above), argument cut at 0
        self.transfer = tf.constant(np.exp(1j * kz * distance) * (arg > 0), tf.complex64)  # SAFE: purely imaginary exponent

    def propagate(self, field):
        return tf.signal.ifft2d(tf.signal.fft2d(field) * self.transfer)

    def fresnel_number(self, radius):
        return radius ** 2 / (self.wavelength * self.distance)  # SAFE: both positive, checked in the constructor


class FreeObject(tf.Module):
    def __init__(self, n, support):
        super().__init__()
        self.support = tf.constant(support, tf.float32)
        self.amp = tf.Variable(tf.fill([n, n], 0.5))
        self.phase = tf.Variable(tf.zeros([n, n]))

    def __call__(self):
        a = tf.nn.softplus(self.amp) * self.support
        return tf.cast(a, tf.complex64) * tf.exp(tf.complex(tf.zeros_like(self.phase), self.phase))  # SAFE: imaginary exponent, modulus 1


class PriorObject:
    """Deep image prior."""

    def __init__(self, n, support, width=16):
        self.support = tf.constant(support, tf.float32)
        self.code = tf.random.normal((1, n, n, 8), stddev=0.1, seed=3)
        self.net = keras.Sequential([
            layers.Conv2D(width, 3, padding="same"), layers.BatchNormalization(), layers.LeakyReLU(),
            layers.Conv2D(width, 3, padding="same"), layers.BatchNormalization(), layers.LeakyReLU(),
            layers.Conv2D(2, 1)])
        self.net(self.code)

    @property
    def trainable_variables(self):
        return self.net.trainable_variables

    def __call__(self):
        y = self.net(self.code, training=True)[0]
        amp = tf.sigmoid(y[..., 0]) * self.support
        ph = math.pi * tf.tanh(y[..., 1])
        return tf.complex(amp * tf.cos(ph), amp * tf.sin(ph))


def amplitude_loss(field, measured):
    """Least squares on amplitudes, the usual choice for Poisson noise."""
    intensity = tf.square(tf.math.real(field)) + tf.square(tf.math.imag(field))
    return tf.reduce_mean(tf.square(tf.sqrt(intensity) - tf.sqrt(measured)))  # MAYBE: only when the modelled intensity is exactly 0 somewhere


def poisson_loss(field, counts, background=1e-2):
    lam = tf.square(tf.abs(field)) + background
    return tf.reduce_mean(lam - counts * tf.math.log(lam))  # SAFE: background 1e-2 is added, tf.abs of a complex zero has slope 0


def smooth_amplitude_loss(field, measured, eps=1e-6):
    mod = tf.sqrt(tf.square(tf.math.real(field)) + tf.square(tf.math.imag(field)) + eps)  # SAFE: eps 1e-6 inside the root
    return tf.reduce_mean(tf.square(mod - tf.sqrt(measured + eps)))  # SAFE: measured intensities are clipped at 0 in load, plus eps


def phase_smoothness(obj):
    """Penalises phase jumps between neighbours (wrapped differences)."""
    ph = tf.math.angle(obj)  # BUG: div-zero, pixels outside the support are exactly 0+0j, the slope of the angle there is 0/0
    d = ph[1:, :] - ph[:-1, :]
    return tf.reduce_mean(1.0 - tf.cos(d))


def pair_smoothness(obj):
    """Same purpose without the angle: normalised neighbour products."""
    prod = obj[1:, :] * tf.math.conj(obj[:-1, :])
    re = tf.math.real(prod)
    mod = tf.sqrt(tf.square(re) + tf.square(tf.math.imag(prod)) + 1e-8)  # SAFE: 1e-8 inside the root in float32
    return tf.reduce_mean(1.0 - re / mod)  # SAFE: mod >= 1e-4


def shrink_wrap(obj, level):
    a = np.abs(obj)
    return (a > level * max(a.max(), 1e-6)).astype(np.float32)


def r_factor(field, measured):
    m = tf.sqrt(measured)
    return tf.reduce_sum(tf.abs(tf.abs(field) - m)) / tf.maximum(tf.reduce_sum(m), 1e-6)  # SAFE: floored, evaluation only


def align(obj, truth):
    """Removes the global phase."""
    c = np.vdot(obj, truth)
    return obj * (c / max(abs(c), 1e-12))  # SAFE: floored at 1e-12


def load(path, photons):
    with np.load(path) as z:
        i = np.clip(z["intensity"].astype(np.float32), 0.0, None)
        s = z["support"].astype(np.float32)
    return i * photons / max(i.mean(), 1e-12), s  # SAFE: floored at 1e-12


LOSSES = {"amplitude": amplitude_loss, "poisson": poisson_loss, "smooth": smooth_amplitude_loss}


class Reconstruction:
    def __init__(self, obj, optics, loss, tv, lr):
        self.obj, self.optics = obj, optics
        self.loss_fn = LOSSES[loss]
        self.tv = tv
        self.opt = keras.optimizers.Adam(lr)

    def step(self, measured):
        with tf.GradientTape() as tape:
            o = self.obj()
            field = self.optics.propagate(o)
            loss = self.loss_fn(field, measured)
            if self.tv == "angle":
                loss += 1e-2 * phase_smoothness(o)
            elif self.tv == "pair":
                loss += 1e-2 * pair_smoothness(o)
        v = self.obj.trainable_variables
        self.opt.apply_gradients(zip(tape.gradient(loss, v), v))
        return loss, r_factor(field, measured)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("npz")
    ap.add_argument("--loss", default="amplitude", choices=sorted(LOSSES))
    ap.add_argument("--tv", default="angle", choices=["angle", "pair", "none"])
    ap.add_argument("--prior", action="store_true")
    ap.add_argument("--photons", type=float, default=1.0)
    ap.add_argument("--iters", type=int, default=2000)
    ap.add_argument("--lr", type=float, default=0.02)
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO)
    measured, support = load(a.npz, a.photons)
    n = measured.shape[0]
    optics = Optics(n)
    log.info("fresnel number %.3f", optics.fresnel_number(0.25 * n * optics.pixel))
    obj = (PriorObject if a.prior else FreeObject)(n, support)
    rec = Reconstruction(obj, optics, a.loss, a.tv, a.lr)
    step = tf.function(rec.step)
    for it in range(a.iters):
        loss, r = step(tf.constant(measured))
        if it % 100 == 0:
            log.info("%d loss %.5f R %.4f", it, loss, r)
    out = obj().numpy()
    np.savez("reconstruction.npz", obj=out, support=shrink_wrap(out, 0.1))


if __name__ == "__main__":
    main()
