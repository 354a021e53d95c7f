"""What names of several results, of samples and of windows mean, against what TensorFlow and NumPy compute.

Each expression is read by the analysis and computed for random operands: no number leaves its range, and
formats and shapes that are claimed are the real ones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from soundness import SIDE, run

from tflint_nan.build import build
from tflint_nan.interval import Interval
from tflint_nan.source import Source
from tflint_nan.value import Const, Items, Object, Tensor, Value

HEAD = """
import numpy as np
import tensorflow as tf
p = tf.compat.v1.placeholder(tf.float32, [8, 8])
u = tf.sigmoid(p)
a = np.asarray(load())
b = np.clip(a, 0.0, 1.0)
ids = tf.cast(u * 7.0, tf.int32)
"""

EXPRESSIONS = [
    # a value beside itself, and beside its numbers at other places or rounded
    "p[:, None] - p[None]",
    "tf.expand_dims(p, 0) * tf.expand_dims(p, 1)",
    "tf.expand_dims(u, 0) / tf.expand_dims(u, 1)",
    "tf.reshape(p, [64]) * tf.reshape(p, [64])",
    "p - tf.cast(tf.cast(p, tf.int32), tf.float32)",
    "p - tf.cast(tf.cast(p, tf.float16), tf.float32)",
    "p - tf.stop_gradient(p)",
    "p * tf.identity(p)",
    "u / tf.identity(u)",
    # linear algebra
    "tf.linalg.svd(p)",
    "tf.linalg.svd(p, compute_uv=False)",
    "tf.linalg.qr(p)",
    "tf.linalg.lu(p)",
    "tf.linalg.eigh(p + tf.transpose(p))",
    "tf.linalg.eigvalsh(p)",
    "tf.linalg.eig(p)",
    "tf.linalg.slogdet(p)",
    "tf.linalg.det(p)",
    "tf.linalg.inv(p)",
    "tf.linalg.pinv(p)",
    "tf.linalg.solve(p, u)",
    "tf.linalg.expm(u)",
    "tf.linalg.normalize(u, axis=1)",
    "tf.linalg.normalize(p, 1, axis=1)",
    "tf.linalg.global_norm([u, p])",
    "tf.linalg.trace(u)",
    "tf.linalg.matrix_rank(u)",
    "tf.linalg.cross(u[:, :3], u[:, 3:6])",
    "tf.linalg.set_diag(u, u[0] + 2.0)",
    "tf.linalg.diag_part(u)",
    "tf.linalg.diag_part(tf.linalg.band_part(u, -1, 0) - tf.linalg.diag(tf.linalg.diag_part(u)))",
    "tf.linalg.diag_part(tf.linalg.set_diag(u, 2.0 + tf.linalg.diag_part(u)) + tf.eye(8))",
    "np.diag(np.diag(np.diag(u), k=1))",
    "np.diag(np.tril(u, k=-1))",
    "tf.linalg.tensor_diag(u[0])",
    "tf.linalg.adjoint(u)",
    "tf.linalg.tensor_diag_part(u)",
    "tf.linalg.cholesky(tf.matmul(u, u, transpose_b=True) + 4.0 * tf.eye(8))",
    "tf.linalg.diag_part(tf.linalg.cholesky(tf.matmul(u, u, transpose_b=True) + 4.0 * tf.eye(8)))",
    "tf.linalg.lstsq(p, u, fast=False)",
    "tf.linalg.tridiagonal_matmul((u[0], u[1], u[2]), u, 'sequence')",
    "np.linalg.svd(a)",
    "np.linalg.svd(a, compute_uv=False)",
    "np.linalg.eigh(a)",
    "np.linalg.qr(a)",
    "np.linalg.slogdet(a)",
    "np.linalg.lstsq(a, b, rcond=None)",
    "np.linalg.matrix_rank(a)",
    "np.linalg.multi_dot([b, b, b])",
    "np.diag(b)",
    "np.diag(b[0])",
    "np.trace(b)",
    "tf.norm(u, axis=1)",
    "tf.norm(u, 1, axis=1)",
    "tf.norm(u + 1.0)",
    "np.linalg.norm(b + 1.0, axis=0)",
    # unit rows, parts of sums, spans
    "tf.matmul(tf.nn.l2_normalize(p, 1), tf.nn.l2_normalize(p, 1), transpose_b=True)",
    "tf.matmul(tf.nn.l2_normalize(p, 0), tf.nn.l2_normalize(p, 0), transpose_a=True)",
    "tf.matmul(tf.nn.l2_normalize(u, -1), tf.transpose(tf.nn.l2_normalize(p, 1)))",
    "tf.reduce_sum(tf.nn.l2_normalize(p, 1) * tf.nn.l2_normalize(u, 1), 1)",
    "u / tf.reduce_sum(u, 1, keepdims=True)",
    "tf.reduce_sum(u / tf.reduce_sum(u, 1, keepdims=True), 1)",
    "u / (tf.reduce_sum(u, 1, keepdims=True) + 1e-7)",
    "tf.reduce_max(p, 1) - tf.reduce_min(p, 1)",
    "tf.add_n([u, u, p])",
    "tf.add_n([tf.reduce_sum(row) for row in u])",
    "tf.stack([row * 2.0 for row in u])",
    # places, groups, counts
    "tf.dynamic_partition(u, ids[0], 8)",
    "tf.dynamic_stitch([[0, 2], [1]], [u[:2], p[:1]])",
    "tf.unique(tf.reshape(u, [-1]))",
    "tf.unique_with_counts(tf.reshape(ids, [-1]))",
    "tf.meshgrid(u[0], p[0])",
    "tf.math.top_k(u, 2)",
    "tf.math.approx_max_k(u, 2)",
    "tf.argsort(u)",
    "tf.searchsorted(tf.sort(u), u)",
    "tf.math.bincount(ids)",
    "tf.math.bincount(ids, weights=u)",
    "tf.math.confusion_matrix(ids[0], ids[1], 8)",
    "tf.histogram_fixed_width(u, [0.0, 1.0], 5)",
    "tf.histogram_fixed_width_bins(u, [0.0, 1.0], 5)",
    "tf.scatter_nd([[1], [1]], u[:2], [8, 8])",
    "tf.tensor_scatter_nd_sub(u, [[1], [1]], u[:2])",
    "tf.tensor_scatter_nd_max(u, [[1]], p[:1])",
    "tf.math.unsorted_segment_max(u, ids[0], 20)",
    "tf.math.unsorted_segment_min(ids, ids[0], 20)",
    "tf.math.unsorted_segment_sqrt_n(u, ids[0], 20)",
    "tf.math.unsorted_segment_mean(u + 1.0, ids[0], 20)",
    "tf.math.segment_max(u + 1.0, [0, 0, 2, 2, 3, 3, 3, 7])",
    "tf.math.segment_prod(u + 1.0, [0, 0, 2, 2, 3, 3, 3, 7])",
    "tf.math.is_non_decreasing(u)",
    "tf.reverse_sequence(u, ids[0], 1)",
    "tf.space_to_batch(u[None, :, :, None], [2, 2], [[0, 0], [0, 0]])",
    "tf.image.extract_patches((u + 1.0)[None, :, :, None], [1, 3, 3, 1], [1, 1, 1, 1], [1, 1, 1, 1], 'SAME')",
    "tf.sparse.to_dense(tf.sparse.from_dense(u))",
    "tf.sparse.reduce_sum(tf.sparse.from_dense(u), 1)",
    "tf.math.polyval([1.0, 2.0, 3.0], u)",
    "np.unique(b)",
    "np.unique(b, return_counts=True)",
    "np.unique(b, return_index=True, return_inverse=True)",
    "np.meshgrid(b[0], b[1])",
    "np.histogram(b, 4)",
    "np.histogram(b, 4, density=True)",
    "np.bincount(np.array([1, 3, 3]))",
    "np.argsort(b, axis=1)",
    "np.digitize(b, [0.2, 0.5])",
    "np.ptp(b, axis=0)",
    "np.diff(b, axis=0)",
    "np.cov(b)",
    "np.corrcoef(b)",
    "np.interp(b, [0.0, 1.0], [2.0, 3.0])",
    "np.divmod(b, 0.3)",
    "np.degrees(b)",
    "np.atleast_2d(b[0])",
    "np.select([b > 0.5], [b], 2.0)",
    "np.insert(b, 0, 5.0)",
    "np.random.choice(5, 20)",
    "np.random.permutation(5)",
    "np.logaddexp(b, b)",
    "np.arctan2(b, b)",
    "np.fmod(-b, 0.3)",
    # signals
    "tf.abs(tf.signal.stft(p, 4, 2))",
    "tf.math.angle(tf.signal.fft(tf.cast(p, tf.complex64)))",
    "tf.signal.irfft(tf.signal.rfft(p))",
    "tf.signal.frame(u + 1.0, 3, 2, pad_end=True)",
    "tf.signal.frame(u + 1.0, 3, 2)",
    "tf.signal.mfccs_from_log_mel_spectrograms(p)",
    "tf.signal.linear_to_mel_weight_matrix(20, 129, 8000)",
    "np.abs(np.fft.fft(a))",
    "np.fft.irfft(np.fft.rfft(a))",
    # networks
    "tf.nn.crelu(p)",
    "tf.nn.moments(p, [0])",
    "tf.nn.weighted_moments(u, [0], u)",
    "tf.nn.sufficient_statistics(u, [0])",
    "tf.nn.normalize_moments(*tf.nn.sufficient_statistics(u, [0]))",
    "tf.nn.max_pool_with_argmax(u[None, :, :, None], 2, 2, 'VALID')",
    "tf.nn.fractional_max_pool(u[None, :, :, None], [1.0, 1.4, 1.4, 1.0])",
    "tf.nn.pool(u[None, :, :, None], [2, 2], 'AVG')",
    "tf.nn.isotonic_regression(u)",
    "tf.nn.compute_average_loss(u[0], global_batch_size=16)",
    "tf.nn.compute_average_loss(u[0])",
    "tf.nn.scale_regularization_loss(u[0])",
    "tf.nn.log_poisson_loss(u, p)",
    "tf.nn.log_poisson_loss(u * 40.0, p, compute_full_loss=True)",
    "tf.nn.sampled_softmax_loss(p, p[0], tf.cast(ids[:, :1], tf.int64), u, 3, 8)",
    "tf.nn.nce_loss(p, p[0], tf.cast(ids[:, :1], tf.int64), u, 3, 8)",
    "tf.nn.ctc_loss(tf.ones([2, 2], tf.int32), p[:, None, :] + tf.zeros([8, 2, 8]), [2, 2], [8, 8])",
    "tf.nn.embedding_lookup_sparse(u, tf.sparse.from_dense([[1, 2], [3, 1]]), None, combiner='sum')",
    "tf.nn.embedding_lookup_sparse(u + 1.0, tf.sparse.from_dense([[1, 2], [3, 1]]), None)",
    "tf.edit_distance(tf.sparse.from_dense(ids), tf.sparse.from_dense(ids + 1))",
    # images
    "tf.image.resize(u[..., None], [5, 17])",
    "tf.image.resize(tf.cast(u * 255.0, tf.uint8)[..., None], [5, 17])",
    "tf.image.resize(tf.cast(u * 255.0, tf.uint8)[..., None], [5, 17], 'nearest')",
    "tf.image.resize(tf.cast(u * 255.0, tf.uint8)[..., None], [5, 17], 'bicubic')",
    "tf.image.adjust_brightness(tf.cast(u * 255.0, tf.uint8)[..., None], 0.3)",
    "tf.image.adjust_contrast(tf.cast(u * 255.0, tf.uint8)[..., None], 1.5)",
    "tf.image.random_brightness(u[..., None], 0.3)",
    "tf.image.random_contrast(u[..., None], 0.3, 1.7)",
    "tf.image.random_saturation(tf.reshape(u[:, :6], [8, 2, 3]), 0.3, 1.7)",
    "tf.image.rgb_to_grayscale(tf.cast(tf.reshape(u[:, :6], [8, 2, 3]) * 255.0, tf.uint8))",
    "tf.image.sobel_edges(u[None, :, :, None])",
    "tf.image.psnr(u[..., None], u[..., None] * 0.5, 1.0)",
    "tf.image.non_max_suppression_with_scores(u[:, :4], u[0], 3)",
    # generators
    "tf.random.Generator.from_seed(1).normal([30])",
    "tf.random.Generator.from_seed(1).uniform([30], 2.0, 3.0)",
    "tf.random.get_global_generator().truncated_normal([300], 1.0, 0.5)",
    "np.random.default_rng(1).integers(3, 9, 50)",
    "np.random.RandomState(1).rand(5, 2)",
    "np.random.default_rng(1).beta(0.5, 0.5, 100)",
    "np.random.default_rng(1).standard_gamma(0.1, 100)",
    "np.random.default_rng(1).poisson(0.1, 100)",
    "np.random.default_rng(1).vonmises(0.0, 0.1, 100)",
    "np.random.default_rng(1).permutation(6)",
    # samples
    "tf.random.gamma([200], 0.01)",
    "tf.random.gamma([200], [0.5, 2.0], 3.0, dtype=tf.float64)",
    "tf.random.poisson([200], 0.5)",
    "tf.random.stateless_poisson([200, 8], [1, 2], u[0], tf.int32)",
    "tf.random.stateless_binomial([200], [1, 2], 9.0, 0.5)",
    "tf.random.categorical(p, 7)",
    "tf.random.stateless_categorical(p, 7, [1, 2], tf.int32)",
    "tf.random.stateless_parameterized_truncated_normal([99], [1, 2], 0.0, 1.0, -2.0, 3.0)",
    "tf.math.sobol_sample(3, 50)",
    "tf.random.log_uniform_candidate_sampler(tf.cast(ids[:, :1], tf.int64), 1, 4, True, 8)",
    *(
        f"tf.signal.{name}_window({length})"
        for name in ("hann", "hamming", "kaiser", "vorbis", "kaiser_bessel_derived")
        for length in (2, 8, 301 if name in ("hann", "hamming", "kaiser") else 302)
    ),
    "tf.signal.hann_window(8, periodic=False, dtype=tf.float16)",
    *(f"np.{name}({length})" for name in ("hanning", "hamming", "bartlett", "blackman") for length in (1, 9)),
    "np.kaiser(9, 14.0)",
]


def predicted(expression: str) -> Value:
    """The value that the analysis gives the expression."""
    graph = build(Source("case.py", f"{HEAD}probe({expression})\n"), {})
    return list(graph.ops("unknown_call"))[-1].args["0"]


def computed(expression: str, scale: float) -> Any:
    """What the libraries compute for one draw of the operands."""
    random = np.random.default_rng(7)
    a = random.normal(0.0, scale, (SIDE, SIDE))
    p = tf.constant(a, tf.float32)
    u = tf.sigmoid(p)
    names = {"p": p, "u": u, "a": a, "b": np.clip(a, 0.0, 1.0), "ids": tf.cast(u * 7.0, tf.int32)}
    return eval(expression, {"tf": tf, "np": np, **names})


def compare(value: Value, real: Any, path: str = "") -> int:
    """Assert that each number lies in its range; how many tensors were compared."""
    if isinstance(real, (tuple, list)) or (hasattr(real, "_fields") and not hasattr(real, "dtype")):
        assert isinstance(value, Items), f"{path}: a tuple of {len(real)} is not predicted"
        assert len(value.items) == len(real), path
        parts = zip(value.items, real, strict=True)
        return sum(compare(part, one, f"{path}[{i}]") for i, (part, one) in enumerate(parts))
    if real is None:
        return 0
    assert isinstance(value, (Tensor, Const)), f"{path}: {value}"
    array = np.asarray(real)
    if isinstance(value, Tensor) and value.dtype is not None:
        assert value.dtype == array.dtype.name, path
    if isinstance(value, Tensor) and value.shape is not None:
        assert len(value.shape) == array.ndim, f"{path}: {value.shape} for {array.shape}"
        assert all(a in (None, b) for a, b in zip(value.shape, array.shape, strict=True)), path
    if np.iscomplexobj(array):
        return 1
    numbers = array.astype(np.float64)
    numbers = numbers[~np.isnan(numbers)]
    outside = numbers[(numbers < value.interval.lo) | (numbers > value.interval.hi)]
    assert not outside.size, f"{path}: {outside[:4]} outside of {value.interval}"
    return 1


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_results_lie_in_their_ranges(expression: str) -> None:
    value = predicted(expression)
    for scale in (0.01, 1.0, 30.0):
        assert compare(value, computed(expression, scale))


@pytest.mark.parametrize(
    ("expression", "reached"),
    [
        ("tf.reduce_mean(tf.square(p - tf.reduce_mean(p, 0)), 0)", 0.0),
        ("tf.reduce_mean(tf.math.squared_difference(p, tf.reduce_mean(p, 0)), 0)", 0.0),
        ("tf.sqrt(tf.reduce_sum((p - tf.reduce_mean(p)) ** 2))", 0.0),
        ("np.ptp(a, axis=0)", 0.0),
        ("tf.signal.hann_window(8)", 0.0),
        ("tf.math.bincount(ids)", 0.0),
    ],
)
def test_numbers_that_are_reached(expression: str, reached: float) -> None:
    """Constant features have no spread, Hann's window starts at 0, a class may be missing."""
    assert reached in {w.value for w in predicted(expression).witnesses}
    constant = {"p": tf.fill([SIDE, SIDE], 1.5), "a": np.full((SIDE, SIDE), 1.5), "ids": tf.constant([0, 2])}
    assert reached in np.asarray(eval(expression, {"tf": tf, "np": np, **constant}))


@pytest.mark.parametrize(
    "expression",
    [
        "tf.signal.stft(p, 4, 2)",
        "tf.abs(tf.signal.stft(p, 4, 2, pad_end=True)) ** 2",
        "tf.matmul(tf.abs(tf.signal.stft(p, 4, 1)), tf.signal.linear_to_mel_weight_matrix(8, 3, 8000))",
        "tf.tensordot(tf.abs(tf.signal.rfft(p[:, 1:] - 0.97 * p[:, :-1])), tf.ones([4, 2]), 1)",
        "tf.abs(tf.signal.fft(tf.cast(p, tf.complex64)))",
        "np.abs(np.fft.rfft(a * 0.5))",
        "np.abs(np.fft.fft(a))",
    ],
)
def test_spectra_of_silence(expression: str) -> None:
    assert [(w.value, [op.name for op, _ in w.inputs]) for w in predicted(expression).witnesses] == [
        (0.0, ["spectrum"])
    ]
    assert not np.any(computed(expression, 0.0))


def test_small_samples_of_a_gamma_distribution() -> None:
    """NumPy's underflow to 0, so their logarithm is -inf at times; TensorFlow keeps them positive."""
    least = float(tf.reduce_min(tf.random.stateless_gamma([1000], [1, 2], 0.01)))
    assert least == predicted("tf.random.stateless_gamma([1000], [1, 2], 0.01)").interval.lo > 0.0
    assert np.random.default_rng(1).standard_gamma(0.001, 1000).min() == 0.0
    assert predicted("np.random.standard_gamma(0.001, 1000)").interval == Interval(0.0, math.inf)


def test_generators_are_objects_whose_methods_are_known() -> None:
    assert isinstance(predicted("tf.random.Generator.from_seed(1)"), Object)
    assert isinstance(predicted("np.random.default_rng()"), Object)


def test_a_sample_with_weights_counts_their_sum() -> None:
    weights = run("constant", {"value": Items((Const(-1.0), Const(2.0)))})
    assert run("count", {"weights": weights}).interval == Interval(-math.inf, math.inf)
