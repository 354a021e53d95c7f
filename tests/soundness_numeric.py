"""Cases of linear algebra, signals, images, indices, special functions and NumPy."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from soundness import (
    EVERY,
    HALVES,
    NORMAL,
    ONES,
    SIDE,
    TRAINED,
    UNIT,
    XY,
    Case,
    huge,
    not_finite,
    outside,
)

from tflint_nan.interval import Interval
from tflint_nan.value import Const

NON_NEGATIVE = Interval(0.0, math.inf)
#: Formats of kernels and functions that have no half precision, and of those without bfloat16.
FULL = ("float32", "float64")
NUMPY = ("float32", "float16", "float64")
#: Series converge slowly far outside of this, and their kernels take minutes.
NEAR = Interval(-60.0, 60.0)
#: Images whose colours are taken apart and put together again lose digits.
COLOUR = Interval(0.0, 255.0)


def numpy(function: Any, *args: Any) -> Any:
    """A function of NumPy on tensors."""
    return lambda *x: np.asarray(function(*args, *(one.numpy() for one in x)))


def ignoring(*x: Any) -> Any:
    """NaN is right anywhere: the function is defined on part of the plane only."""
    return np.True_


def rgb(x: Any) -> Any:
    """48 of 64 numbers as 8 by 2 pixels of three colours."""
    return tf.reshape(x[:, :6], [SIDE, 2, 3])


def by_y(dtype: str, x: Any, y: Any) -> Any:
    """NaN where the divisor is 0, or may be flushed to it."""
    return not_finite(dtype, x, y) | (np.abs(y) <= NORMAL[dtype] * 2.0)


def left(function: Any) -> Any:
    """The first of several results."""
    return lambda *x: function(*x)[0]


GROUPS = [0, 0, 0, 1, 1, 3, 3, 3]

NUMERIC: dict[str, Case] = {
    # special functions
    "cbrt": Case(numpy(np.cbrt), kinds=NUMPY),
    "exp2": Case(numpy(np.exp2), kinds=NUMPY),
    "sinc": Case(numpy(np.sinc), outside(-1e38, 1e38), kinds=FULL),
    "trunc": Case(keras.ops.trunc),
    "ndtri": Case(tf.math.ndtri, outside(0, 1), unsupported=HALVES, ulps=64, floor=1.0),
    "erfcinv": Case(tf.math.erfcinv, outside(0, 2), unsupported=HALVES, ulps=64, floor=1.0),
    **{
        f"bessel_{name}": Case(getattr(tf.math.special, f"bessel_{name}"), unsupported=("bfloat16",))
        for name in ("i0", "i0e", "i1", "i1e", "j0", "j1")
    },
    **{
        f"bessel_{name}": Case(
            getattr(tf.math.special, f"bessel_{name}"), outside(1e-30, math.inf), unsupported=("bfloat16",)
        )
        for name in ("k0", "k0e", "k1", "k1e", "y0", "y1")
    },
    "dawsn": Case(tf.math.special.dawsn, unsupported=HALVES),
    "fresnel_sin": Case(tf.math.special.fresnel_sin, unsupported=HALVES),
    "fresnel_cos": Case(tf.math.special.fresnel_cos, unsupported=HALVES),
    "spence": Case(tf.math.special.spence, outside(0, 1e30), unsupported=HALVES),
    "igamma": Case(tf.math.igamma, ignoring, (NEAR, NEAR), unsupported=HALVES, names=("a", "x")),
    "igammac": Case(tf.math.igammac, ignoring, (NEAR, NEAR), unsupported=HALVES, names=("a", "x")),
    "betainc": Case(tf.math.betainc, ignoring, (NEAR, NEAR, NEAR), unsupported=HALVES, names=("a", "b", "x")),
    "zeta": Case(tf.math.zeta, ignoring, (NEAR, NEAR), unsupported=HALVES, names=("x", "q")),
    "polygamma": Case(
        lambda x: tf.math.polygamma(tf.ones_like(x) * 2.0, x),
        ignoring,
        (NEAR,),
        unsupported=HALVES,
        args={"a": Const(2.0)},
    ),
    "atan2": Case(tf.atan2, not_finite, EVERY, names=("y", "x")),
    "xdivy": Case(tf.math.xdivy, by_y, EVERY, names=XY),
    "truncatemod": Case(tf.truncatemod, by_y, EVERY, unsupported=HALVES, names=XY),
    "truncatediv": Case(numpy(lambda x, y: np.trunc(x / y)), by_y, EVERY, names=XY, kinds=FULL),
    "logaddexp": Case(numpy(np.logaddexp), not_finite, EVERY, names=XY, kinds=NUMPY, ulps=64, floor=1.0),
    "hypot": Case(numpy(np.hypot), not_finite, EVERY, names=XY, kinds=NUMPY),
    "copysign": Case(numpy(np.copysign), not_finite, EVERY, names=XY, kinds=NUMPY),
    "nextafter": Case(tf.math.nextafter, not_finite, EVERY, names=XY, kinds=FULL),
    "cumulative_logsumexp": Case(lambda x: tf.math.cumulative_logsumexp(x, 1), huge(1), rows=True),
    "angle": Case(tf.math.angle, kinds=FULL),
    "real": Case(tf.math.real),
    "conj": Case(tf.math.conj),
    # linear algebra
    "orthogonal": Case(lambda x: tf.linalg.qr(x)[0], huge(3), rows=True, kinds=FULL),
    "singular_values": Case(lambda x: tf.linalg.svd(x, compute_uv=False), huge(3), rows=True, kinds=FULL),
    "determinant_sign": Case(lambda x: tf.linalg.slogdet(x)[0], ignoring, rows=True, kinds=FULL),
    "cross": Case(
        lambda x, y: tf.linalg.cross(x[:, :3], y[:, :3]),
        huge(2),
        EVERY,
        names=XY,
        rows=True,
        reshapes=True,
        reaches=tuple(
            (np.tile([0.0, v] * 4, (SIDE, 1)), np.tile([1.0, 0.0] * 4, (SIDE, 1))) for v in TRAINED
        ),
    ),
    "diag": Case(lambda x: tf.linalg.diag(x), rows=True, reaches=ONES, reshapes=True),
    "set_diag": Case(
        lambda x, d: tf.linalg.set_diag(x, d[:, 0]), not_finite, EVERY, names=("x", "diagonal"), rows=True
    ),
    # groups and places
    "segment": Case(
        lambda x: tf.math.segment_mean(x, GROUPS), huge(1), rows=True, args={"reduction": Const("mean")}
    ),
    "segment_sum": Case(lambda x: tf.math.unsorted_segment_sum(x, GROUPS, 5), huge(1), rows=True),
    "segment_prod": Case(
        lambda x: tf.math.unsorted_segment_prod(x, GROUPS, 5), huge(SIDE), rows=True, ulps=64
    ),
    "scatter": Case(
        lambda x, u: tf.tensor_scatter_nd_update(x, [[1], [4]], u[:2]),
        not_finite,
        EVERY,
        names=("x", "updates"),
        rows=True,
    ),
    "scatter_add": Case(
        lambda x, u: tf.tensor_scatter_nd_add(x, [[1], [1], [4]], u[:3]),
        huge(1),
        EVERY,
        names=("x", "updates"),
        rows=True,
    ),
    "sparse": Case(lambda x: tf.sparse.to_dense(tf.SparseTensor([[0], [2]], x[:2], [6])), names=("values",)),
    "sparse_softmax": Case(
        lambda x: tf.sparse.softmax(tf.sparse.from_dense(x)).values,
        huge(1),
        rows=True,
        reshapes=True,
        kinds=NUMPY,
    ),
    "argsort": Case(tf.argsort, rows=True),
    "index": Case(lambda x: tf.searchsorted(tf.sort(x), x), names=("of",)),
    "random_choice": Case(numpy(np.random.default_rng(0).choice), kinds=NUMPY),
    # signals: what comes out is v where the sum of eight equal numbers, doubled, is
    "cosine_transform": Case(
        tf.signal.dct,
        huge(1),
        rows=True,
        kinds=FULL,
        reaches=tuple(np.full((SIDE, SIDE), v / (2.0 * SIDE)) for v in TRAINED),
        ulps=64,
    ),
    "overlap_and_add": Case(
        lambda x: tf.signal.overlap_and_add(x, 4),
        huge(1),
        rows=True,
        reaches=tuple(np.full((SIDE, SIDE), v) for v in TRAINED),
    ),
    "image_gradient": Case(
        lambda x: tf.image.image_gradients(x[None, :, :, None])[0],
        huge(1),
        rows=True,
        reaches=tuple(np.arange(SIDE)[:, None] * np.full((SIDE, SIDE), v) for v in TRAINED),
    ),
    # images
    "adjust_brightness": Case(
        lambda x: tf.image.adjust_brightness(x, 0.25), huge(1), args={"delta": Const(0.25)}, rows=True
    ),
    "adjust_contrast": Case(
        lambda x: tf.image.adjust_contrast(rgb(x), 1.5),
        huge(2),
        within=(Interval(-1e4, 1e4),),
        args={"factor": Const(1.5)},
        rows=True,
        reshapes=True,
        kinds=FULL,
    ),
    "adjust_gamma": Case(
        lambda x: tf.image.adjust_gamma(x, 2.0, 0.5),
        huge(2),
        within=(UNIT,),
        args={"gamma": Const(2.0), "gain": Const(0.5)},
        rows=True,
    ),
    "adjust_hue": Case(
        lambda x: tf.image.adjust_saturation(tf.image.adjust_hue(rgb(x), 0.3), 2.0),
        huge(2),
        within=(COLOUR,),
        rows=True,
        reshapes=True,
        kinds=FULL,
    ),
    "adjust_quality": Case(
        lambda x: tf.image.adjust_jpeg_quality(rgb(x), 50),
        huge(2),
        within=(UNIT,),
        rows=True,
        reshapes=True,
        kinds=FULL,
    ),
    "grayscale": Case(lambda x: tf.image.rgb_to_grayscale(rgb(x)), huge(2), rows=True, reshapes=True),
    "colour_difference": Case(
        lambda x: tf.concat([tf.image.rgb_to_yuv(rgb(x)), tf.image.rgb_to_yiq(rgb(x))], 0),
        huge(2),
        within=(Interval(-1e4, 1e4),),
        rows=True,
        reshapes=True,
        kinds=FULL,
    ),
    "colour_sum": Case(
        lambda x: tf.concat([tf.image.yuv_to_rgb(rgb(x)), tf.image.yiq_to_rgb(rgb(x))], 0),
        huge(2),
        within=(Interval(-1e4, 1e4),),
        rows=True,
        reshapes=True,
        kinds=FULL,
    ),
    "rgb_to_hsv": Case(
        lambda x: tf.image.rgb_to_hsv(rgb(x)), huge(2), within=(COLOUR,), rows=True, reshapes=True
    ),
    "hsv_to_rgb": Case(
        lambda x: tf.image.hsv_to_rgb(rgb(x)), huge(2), within=(UNIT,), rows=True, reshapes=True
    ),
    "total_variation": Case(lambda x: tf.image.total_variation(rgb(x)), huge(2), rows=True),
    "ssim": Case(
        lambda x, y: tf.concat(
            [
                tf.image.ssim(x[..., None], y[..., None], 1.0, filter_size=4)[None],
                tf.image.ssim_multiscale(
                    tf.tile(x, [8, 8])[..., None], tf.tile(y, [8, 8])[..., None], 1.0, filter_size=3
                )[None],
            ],
            0,
        ),
        huge(2),
        (UNIT, UNIT),
        names=XY,
        rows=True,
        kinds=("float32",),
    ),
    "crop_and_resize": Case(
        lambda x: tf.image.crop_and_resize(
            tf.cast(x, tf.float32)[None, ..., None], [[-0.5, 0.1, 1.2, 0.9]], [0], [5, 5]
        ),
        huge(2),
        rows=True,
        kinds=("float32",),
    ),
    "interpolated": Case(
        lambda x: tf.concat(
            [tf.image.resize(x[..., None], [5, 17], method) for method in ("bicubic", "lanczos5")], 0
        ),
        huge(2),
        within=(Interval(-1e4, 1e4),),
        rows=True,
        kinds=("float32",),
        ulps=256,
    ),
    "drawn": Case(
        lambda x: tf.image.draw_bounding_boxes(rgb(x)[None], [[[0.0, 0.0, 0.6, 0.7]]], None),
        within=(Interval(-1e4, 1e4),),
        rows=True,
        kinds=("float32", "float16"),
    ),
    # losses, normalisation, filters
    "log_poisson_loss": Case(
        tf.nn.log_poisson_loss,
        huge(2),
        (Interval(0.0, 100.0), Interval(-104.0, 60.0)),
        names=("targets", "log_input"),
        ulps=64,
        floor=1e4,
    ),
    "scaled_down": Case(
        lambda x: tf.compat.v1.clip_by_average_norm(x, 0.5), huge(2), rows=True, kinds=("float32",)
    ),
    "local_response_normalization": Case(
        lambda x: tf.nn.lrn(x[None, None]),
        huge(2),
        rows=True,
        reshapes=True,
        kinds=("float32", "float16"),
        unsupported=("bfloat16", "float64"),
    ),
    "morphology": Case(
        lambda x, k: tf.nn.dilation2d(
            x[None, ..., None], k[:3, :3, None], [1, 1, 1, 1], "VALID", "NHWC", [1, 1, 1, 1]
        ),
        huge(1),
        EVERY,
        names=("x", "kernel"),
        rows=True,
        reaches=tuple((np.full((SIDE, SIDE), v), np.zeros((SIDE, SIDE))) for v in TRAINED),
    ),
    # NumPy
    "peak_to_peak": Case(
        numpy(lambda x: np.ptp(x, 1)), huge(1), rows=True, kinds=NUMPY, reaches=ONES, args={"axis": Const(1)}
    ),
    "difference": Case(numpy(lambda x: np.diff(x, axis=1)), huge(1), rows=True, kinds=NUMPY),
    "correlation": Case(numpy(np.corrcoef), ignoring, rows=True, kinds=FULL),
    "density": Case(
        numpy(lambda x: np.histogram(x, 5, density=True)[0]),
        huge(2),
        (Interval(-1e4, 1e4),),
        rows=True,
        kinds=FULL,
        names=("of",),
    ),
    "logspace": Case(numpy(lambda x: np.logspace(x[0], x[1], 5)), ignoring, kinds=FULL, names=("of",)),
}

#: Operators that claim no bound, each with the reason.
UNBOUNDED = {
    **dict.fromkeys(
        ("matrix_inverse", "pseudo_inverse", "matrix_log", "solve"), "what is nearly singular goes anywhere"
    ),
    **dict.fromkeys(
        ("determinant", "log_determinant", "eigenvalues", "eigenvalues_complex", "factor", "factor_complex"),
        "sums of products of any elements",
    ),
    **dict.fromkeys(("matrix_exp", "matrix_sqrt", "matrix_product"), "not claimed"),
    **dict.fromkeys(("spectrum", "complex"), "complex: an interval says nothing of it"),
    **dict.fromkeys(("inverse_spectrum", "imag"), "parts of a complex number"),
    "frequencies": "spaced by any number",
    "bits": "any integer of the format",
    "bitcast": "the same bits in another format",
    "expint": "NaN and infinite on either side",
    "lbeta": "a difference of logarithms",
    "psnr": "a logarithm of an error",
    "random_real": "distributions over all numbers",
    "covariance": "not claimed",
    "quadrature": "an integral over any interval",
    "finite_difference": "divided by any step",
    "polynomial_fit": "coefficients of any polynomial",
    "uninitialised": "what the memory holds",
    "scatter_mul": "any number of factors",
}
