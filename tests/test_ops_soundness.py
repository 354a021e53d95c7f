"""Transfer functions against TensorFlow: no result outside of its interval, every witness reproduced.

For each operator Hypothesis draws operand ranges; numbers from inside them (the ends and their neighbours,
zero, subnormals, infinities, random ones) go through the real operation in float32, float16, bfloat16 and
float64. A second property feeds witnesses and compares the images that were predicted for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given
from hypothesis import strategies as st
from soundness import (
    BIT,
    BITS,
    COUNT,
    EVERY,
    EXAMPLES,
    FLOATS,
    HALVES,
    LEVELS,
    ODD,
    ONES,
    OUTSIDE,
    PIXELS,
    PRODUCTS,
    RANGES,
    SEEDS,
    SIDE,
    XY,
    Case,
    assert_inside,
    close,
    grid,
    grid_of,
    huge,
    interval_of,
    not_finite,
    numbers_of,
    op_of,
    operand,
    outside,
    run,
    sample,
    tensor,
    tiny_both,
)
from soundness_numeric import NUMERIC, UNBOUNDED

from tflint_nan.interval import EVERYTHING, INTEGERS, UNIT, Interval, round_to
from tflint_nan.ops.table import OPERATORS
from tflint_nan.value import NONE, Const, Items, Unknown, Value


def counted(x: Any) -> Any:
    """What a sum takes of `x`: NumPy counts tests."""
    return tf.cast(x, tf.int64) if x.dtype == tf.bool else x


CASES: dict[str, Case] = {
    # element by element
    "exp": Case(tf.exp),
    "expm1": Case(tf.math.expm1),
    "log": Case(tf.math.log, outside(0, math.inf)),
    "log1p": Case(tf.math.log1p, outside(-1, math.inf)),
    "log2": Case(keras.ops.log2, outside(0, math.inf)),
    "log10": Case(keras.ops.log10, outside(0, math.inf)),
    "sqrt": Case(tf.sqrt, outside(0, math.inf)),
    "rsqrt": Case(tf.math.rsqrt, outside(0, math.inf)),
    "square": Case(tf.square),
    "abs": Case(tf.abs),
    "neg": Case(tf.negative),
    "sign": Case(tf.sign),
    "reciprocal": Case(tf.math.reciprocal),
    "sigmoid": Case(tf.sigmoid),
    "log_sigmoid": Case(tf.math.log_sigmoid),
    "tanh": Case(tf.tanh),
    "relu": Case(tf.nn.relu),
    "relu6": Case(tf.nn.relu6),
    "leaky_relu": Case(tf.nn.leaky_relu),
    "elu": Case(tf.nn.elu, floor=1.0),
    "selu": Case(tf.nn.selu, floor=1.0),
    "softplus": Case(tf.math.softplus),
    "softsign": Case(tf.math.softsign),
    "gelu": Case(tf.nn.gelu, single=True, floor=1.0),
    "swish": Case(tf.nn.silu),
    "mish": Case(keras.activations.mish),
    "hard_sigmoid": Case(keras.ops.hard_sigmoid),
    "hard_silu": Case(keras.activations.hard_silu, floor=1.0),
    "hard_tanh": Case(keras.activations.hard_tanh),
    "hard_shrink": Case(keras.activations.hard_shrink),
    "soft_shrink": Case(keras.activations.soft_shrink, floor=1.0),
    "tanh_shrink": Case(keras.activations.tanh_shrink, floor=1.0),
    "sparse_plus": Case(keras.activations.sparse_plus, floor=1.0),
    "sparse_sigmoid": Case(keras.activations.sparse_sigmoid, floor=1.0),
    "celu": Case(lambda x: keras.activations.celu(x, 0.5), args={"alpha": Const(0.5)}, floor=1.0),
    "squareplus": Case(keras.activations.squareplus, floor=1.0),
    "threshold": Case(
        lambda x: keras.activations.threshold(x, 1.0, tf.constant(-2.0, x.dtype)),
        args={"threshold": Const(1.0), "default": Const(-2.0)},
    ),
    "glu": Case(keras.activations.glu, rows=True),
    "sparsemax": Case(
        keras.activations.sparsemax,
        lambda d, x: np.any(np.abs(x) > 100.0),
        (Interval(-50.0, 50.0),),
        rows=True,
        reaches=(np.tile([800.0] + [-800.0] * (SIDE - 1), (SIDE, 1)),),
    ),
    # The float64 kernel squares its argument, and gives NaN where that overflows.
    "erf": Case(tf.math.erf, outside(-1e150, 1e150)),
    "erfc": Case(tf.math.erfc, outside(-1e150, 1e150)),
    "erfinv": Case(tf.math.erfinv, outside(-1, 1), unsupported=HALVES, floor=1.0),
    "sin": Case(tf.sin),
    "cos": Case(tf.cos),
    "tan": Case(tf.tan),
    "asin": Case(tf.asin, outside(-1, 1)),
    "acos": Case(tf.acos, outside(-1, 1)),
    "atan": Case(tf.atan),
    "sinh": Case(tf.sinh),
    "cosh": Case(tf.cosh),
    "asinh": Case(tf.asinh),
    "acosh": Case(tf.acosh, outside(1, math.inf)),
    "atanh": Case(tf.atanh, outside(-1, 1)),
    "floor": Case(tf.floor),
    "ceil": Case(tf.math.ceil),
    "round": Case(tf.round),
    "lgamma": Case(tf.math.lgamma, unsupported=("bfloat16",), floor=1.0),
    "digamma": Case(tf.math.digamma, outside(2.0**-126, math.inf), unsupported=("bfloat16",), floor=1.0),
    "is_finite": Case(tf.math.is_finite, reaches=ODD),
    "is_inf": Case(tf.math.is_inf, reaches=ODD),
    "is_nan": Case(tf.math.is_nan, reaches=ODD),
    "nan_to_num": Case(keras.ops.nan_to_num),
    # two operands
    "add": Case(tf.add, not_finite, EVERY, names=XY),
    "sub": Case(tf.subtract, not_finite, EVERY, names=XY),
    "mul": Case(tf.multiply, not_finite, EVERY, names=XY),
    "div": Case(tf.divide, tiny_both, EVERY, names=XY),
    "floordiv": Case(tf.math.floordiv, tiny_both, EVERY, names=XY),
    "mod": Case(
        tf.math.floormod, lambda d, x, y: not_finite(d, x, y) | (np.abs(y) < 2.0**-126), EVERY, names=XY
    ),
    "pow": Case(
        tf.pow, lambda d, x, y: not_finite(d, x, y) | ((x < 0) & (y != np.floor(y))), EVERY, names=XY, ulps=64
    ),
    "maximum": Case(tf.maximum, not_finite, EVERY, names=XY),
    "minimum": Case(tf.minimum, not_finite, EVERY, names=XY),
    "divide_no_nan": Case(tf.math.divide_no_nan, not_finite, EVERY, names=XY),
    "multiply_no_nan": Case(tf.math.multiply_no_nan, not_finite, EVERY, names=XY),
    "xlogy": Case(tf.math.xlogy, lambda d, x, y: not_finite(d, x, y) | (y < 0), EVERY, names=XY),
    "xlog1py": Case(tf.math.xlog1py, lambda d, x, y: not_finite(d, x, y) | (y < -1), EVERY, names=XY),
    "squared_difference": Case(tf.math.squared_difference, not_finite, EVERY, names=XY),
    "greater": Case(tf.greater, not_finite, EVERY, names=XY),
    "less": Case(tf.less, not_finite, EVERY, names=XY),
    "greater_equal": Case(tf.greater_equal, not_finite, EVERY, names=XY),
    "less_equal": Case(tf.less_equal, not_finite, EVERY, names=XY),
    "equal": Case(tf.equal, not_finite, EVERY, names=XY),
    "not_equal": Case(tf.not_equal, not_finite, EVERY, names=XY),
    "logical_and": Case(tf.logical_and, not_finite, BIT, names=XY, kinds=("bool",)),
    "logical_or": Case(tf.logical_or, not_finite, BIT, names=XY, kinds=("bool",)),
    "logical_xor": Case(tf.math.logical_xor, not_finite, BIT, names=XY, kinds=("bool",)),
    "logical_not": Case(tf.logical_not, within=(UNIT,), kinds=("bool",), reaches=BITS),
    "clip": Case(tf.clip_by_value, not_finite, EVERY + EVERY[:1], names=("x", "min", "max")),
    # reductions of the second axis
    "sum": Case(lambda x: tf.reduce_sum(counted(x), 1), huge(1), rows=True, ulps=256),
    "mean": Case(lambda x: tf.reduce_mean(x, 1), huge(1), rows=True, ulps=256),
    "max": Case(lambda x: tf.reduce_max(x, 1), rows=True),
    "min": Case(lambda x: tf.reduce_min(x, 1), rows=True),
    "prod": Case(lambda x: tf.reduce_prod(x, 1), huge(SIDE), rows=True, ulps=256),
    "std": Case(lambda x: tf.math.reduce_std(x, 1), huge(2), rows=True, reaches=ONES),
    "variance": Case(lambda x: tf.math.reduce_variance(x, 1), huge(2), rows=True, reaches=ONES),
    "norm": Case(lambda x: tf.norm(x, axis=1), huge(2), rows=True),
    "logsumexp": Case(lambda x: tf.reduce_logsumexp(x, 1), huge(1), rows=True, reaches=LEVELS, ulps=64),
    "cumsum": Case(lambda x: tf.cumsum(x, 1, exclusive=True), huge(1), rows=True),
    "cumprod": Case(lambda x: tf.math.cumprod(x, 1), huge(SIDE), rows=True),
    "argmax": Case(lambda x: tf.argmax(x, 1), rows=True),
    "argmin": Case(lambda x: tf.argmin(x, 1), rows=True),
    "count_nonzero": Case(
        lambda x: tf.math.count_nonzero(x, 1), rows=True, reaches=(np.zeros((SIDE, SIDE)),)
    ),
    "fraction": Case(tf.nn.zero_fraction, rows=True, reaches=BITS),
    "any": Case(lambda x: tf.reduce_any(x, 1), within=BIT[:1], rows=True, kinds=("bool",), reaches=BITS),
    "all": Case(lambda x: tf.reduce_all(x, 1), within=BIT[:1], rows=True, kinds=("bool",), reaches=BITS),
    # whole rows
    "softmax": Case(
        tf.nn.softmax, huge(1), rows=True, reaches=(np.tile([800.0] + [-800.0] * (SIDE - 1), (SIDE, 1)),)
    ),
    "log_softmax": Case(
        tf.nn.log_softmax,
        huge(1),
        rows=True,
        reaches=(np.stack([[0.0] + [-104.0] * (SIDE - 1), [0.0] + [-750.0] * (SIDE - 1)]),),
    ),
    "l2_normalize": Case(
        lambda x: tf.nn.l2_normalize(x, 1),
        # In float16 the epsilon of 1e-12 is 0, and a row without length 0 / 0.
        lambda d, x: (
            huge(2)(d, x) | (d == "float16" and np.any(np.all(np.abs(grid_of(x)) < 2.0**-10, axis=1)))
        ),
        rows=True,
    ),
    # numbers handed on
    "identity": Case(tf.identity),
    "stop_gradient": Case(tf.stop_gradient),
    "reverse": Case(lambda x: tf.reverse(x, [0])),
    "roll": Case(lambda x: tf.roll(x, 3, 0)),
    "sort": Case(tf.sort),
    "gather": Case(lambda x: tf.gather(x, [3, 1, 1])),
    "tile": Case(lambda x: tf.tile(x, [2])),
    "split": Case(lambda x: tf.split(x, 2)[1]),
    "unstack": Case(lambda x: tf.stack(tf.unstack(x)[2:5])),
    "swap": Case(lambda x: tf.linalg.matrix_transpose(grid(x))),
    "shuffle": Case(tf.random.shuffle),
    "broadcast_to": Case(lambda x: tf.broadcast_to(x, [2, COUNT])),
    "number": Case(lambda x: tf.cast(tf.constant(x.numpy().tolist(), tf.float64), x.dtype)),
    "reshape": Case(grid),
    "squeeze": Case(lambda x: tf.squeeze(x[None])),
    "expand_dims": Case(lambda x: x[None]),
    "transpose": Case(tf.transpose, rows=True),
    "slice": Case(lambda x: x[3:9]),
    "flatten": Case(tf.identity, rows=True),
    "pad": Case(lambda x: tf.pad(x, [[1, 2]])),
    "band_part": Case(lambda x: tf.linalg.band_part(x, 0, -1), rows=True, reaches=ONES),
    "diag_part": Case(tf.linalg.diag_part, rows=True, reaches=ONES),
    "dropout": Case(
        # In training for the first half of the elements, with seeds that drop some of them.
        lambda x: tf.concat(
            [tf.nn.experimental.stateless_dropout(x[: len(x) // 2], 0.25, [1, 2]), x[len(x) // 2 :]], 0
        ),
        args={"rate": Const(0.25)},
        reaches=ONES,
    ),
    "rescaling": Case(
        lambda x: keras.layers.Rescaling(1 / 255, 0.5, dtype=x.dtype.name)(x),
        args={"scale": Const(1 / 255), "offset": Const(0.5)},
    ),
    "max_pool": Case(lambda x: tf.nn.max_pool1d(grid(x)[..., None], 2, 2, "VALID"), within=(PIXELS,)),
    "avg_pool": Case(lambda x: tf.nn.avg_pool1d(grid(x)[..., None], 2, 2, "VALID"), within=(PIXELS,)),
    # products
    "matmul": Case(tf.matmul, huge(2), EVERY, names=XY, rows=True, reaches=PRODUCTS),
    "tensordot": Case(
        lambda x, y: tf.tensordot(x, y, 1), huge(2), EVERY, names=XY, rows=True, reaches=PRODUCTS
    ),
    "einsum": Case(
        lambda x, y: tf.einsum("ij,jk->ik", x, y),
        huge(2),
        EVERY,
        names=("0", "1"),
        rows=True,
        reaches=PRODUCTS,
    ),
    # losses
    "softmax_cross_entropy_with_logits": Case(
        lambda y, z: tf.nn.softmax_cross_entropy_with_logits(y, z),
        huge(2),
        (Interval(0.0, math.inf), EVERYTHING),
        names=("labels", "logits"),
        rows=True,
    ),
    "sigmoid_cross_entropy_with_logits": Case(
        tf.nn.sigmoid_cross_entropy_with_logits, huge(1), (UNIT, EVERYTHING), names=("labels", "logits")
    ),
    "weighted_cross_entropy_with_logits": Case(
        lambda y, z: tf.nn.weighted_cross_entropy_with_logits(y, z, 3.0),
        huge(1),
        (UNIT, EVERYTHING),
        names=("labels", "logits"),
        floor=8.0,  # a difference of larger numbers
        args={"pos_weight": Const(3.0)},
    ),
    "mean_squared_error": Case(
        keras.losses.mean_squared_error, huge(2), EVERY, names=("y_true", "y_pred"), rows=True
    ),
    "mean_absolute_error": Case(
        keras.losses.mean_absolute_error, huge(1), EVERY, names=("y_true", "y_pred"), rows=True
    ),
    "huber": Case(keras.losses.huber, huge(2), EVERY, names=("y_true", "y_pred"), rows=True),
    "hinge": Case(keras.losses.hinge, huge(2), EVERY, names=("y_true", "y_pred"), rows=True),
    "categorical_hinge": Case(
        keras.losses.categorical_hinge, huge(2), EVERY, names=("y_true", "y_pred"), rows=True
    ),
    "mean_absolute_percentage_error": Case(
        keras.losses.mean_absolute_percentage_error,
        # An epsilon of 1e-7 divides.
        lambda d, y, p: huge(1)(d, 1e10 * y, 1e10 * p),
        EVERY,
        names=("y_true", "y_pred"),
        rows=True,
    ),
    "mean_squared_logarithmic_error": Case(
        keras.losses.mean_squared_logarithmic_error, huge(1), EVERY, names=("y_true", "y_pred"), rows=True
    ),
    "clip_by_norm": Case(lambda x: tf.clip_by_norm(x, 0.5), huge(2), args={"norm": Const(0.5)}),
    "squared_hinge": Case(keras.losses.squared_hinge, huge(4), EVERY, names=("y_true", "y_pred"), rows=True),
}
CASES |= NUMERIC
#: Tested by a property of their own below.
APART = {
    "where", "select", "join", "refine", "cast", "stack", "concat", "constant", "zeros", "ones", "one_hot",
    "eye", "mask", "range", "linspace", "random_normal", "random_uniform", "random_integers", "size", "shape",
    "iterations", "sparse_softmax_cross_entropy_with_logits",
    # tests/test_ops_numeric.py
    "categorical", "cholesky", "count", "ctc_loss", "edit_distance", "mel_weights", "random_counts",
    "random_positive", "sampled_loss", "window",
}  # fmt: skip


def kinds_of(cases: Mapping[str, Case]) -> list[tuple[str, str]]:
    """Every operator with every format."""
    return [
        (name, kind) for name, case in cases.items() for kind in case.kinds if kind not in case.unsupported
    ]


def numbers_inside(interval: Interval, kind: str, random: np.random.Generator) -> np.ndarray:
    """A sample; of truth values, those that the interval holds."""
    if kind == "bool":
        return random.choice([interval.lo, interval.hi], COUNT)
    return sample(interval, kind, random)


def computed(name: str, case: Case, kind: str, numbers: Sequence[np.ndarray]) -> np.ndarray:
    """What TensorFlow computes."""
    shaped = [n.reshape(SIDE, SIDE) if case.rows and n.size == COUNT else n for n in numbers]
    return numbers_of(case.compute(*(tensor(n, kind) for n in shaped)))


def reached(name: str, case: Case, kind: str) -> np.ndarray:
    """What TensorFlow computes for the operands that show an operator's own numbers."""
    shown = [numbers if isinstance(numbers, tuple) else (numbers,) for numbers in case.reaches]
    return np.concatenate([computed(name, case, kind, numbers).ravel() for numbers in shown])


@pytest.mark.parametrize(("name", "kind"), kinds_of(CASES))
def test_results_lie_in_the_interval(name: str, kind: str) -> None:
    case = CASES[name]

    @EXAMPLES
    @given(st.lists(RANGES, min_size=3, max_size=3), SEEDS, st.booleans())
    def check(ranges: list[tuple[float, float]], seed: int, shape_known: bool) -> None:
        random = np.random.default_rng(seed)
        integral = kind == "bool"
        intervals = [
            Interval(float(ends[0] > 0), 1.0) if integral else interval_of(ends, kind, within)
            for ends, within in zip(ranges, case.within, strict=False)
        ]
        shape = ((SIDE, SIDE) if case.rows else (COUNT,)) if shape_known else None
        operands = [operand(OUTSIDE + i, x, kind, shape) for i, x in enumerate(intervals)]
        value = run(name, {**dict(zip(case.names, operands, strict=True)), **case.args, **axis(name)})
        numbers = [numbers_inside(interval, kind, random) for interval in intervals]
        results = computed(name, case, kind, numbers)
        if shape_known and value.shape is not None and not case.reshapes:
            matches = len(results.shape) == len(value.shape) and all(
                a in (None, b) for a, b in zip(value.shape, results.shape, strict=True)
            )
            assert matches, f"shape {value.shape} is predicted, it is {results.shape}"
        mask = np.asarray(case.nan(kind, *numbers))
        if mask.shape != results.shape:
            mask = np.any(mask)
        assert_inside(results, value, kind, mask)

    check()


def axis(name: str) -> dict[str, Value]:
    """The axis that the real operation of a reduction is given."""
    along = {"sum", "mean", "max", "min", "prod", "std", "variance", "norm", "logsumexp", "cumsum", "cumprod",
             "argmax", "argmin", "count_nonzero", "any", "all", "l2_normalize"}  # fmt: skip
    return {"axis": Const(1)} if name in along else {}


#: Poles inside of the range, or answers that are no numbers.
LOOSE = {"tan", "lgamma", "digamma", "reciprocal", "rsqrt", "nan_to_num", "is_finite", "is_inf", "is_nan"}
POINTWISE = [
    name
    for name, case in CASES.items()
    if OPERATORS[name].transfer.__module__.endswith((".elementwise", ".points")) and "float32" in case.kinds
]


@pytest.mark.parametrize("name", sorted(set(POINTWISE) - LOOSE))
@pytest.mark.parametrize(
    "interval", [EVERYTHING, Interval(0.0, math.inf), Interval(-2.0, 3.0), UNIT], ids=str
)
def test_intervals_are_no_wider_than_needed(name: str, interval: Interval) -> None:
    """Both ends are reached, up to rounding: a bound that is only sound would prove nothing."""
    case = CASES[name]
    tried = (*np.linspace(-104.0, 104.0, 20801), -3e38, 3e38, interval.lo, interval.hi)
    numbers = np.array([x for x in tried if x in interval])
    value = run(name, {"x": operand(OUTSIDE, interval, "float32")})
    results = numbers_of(case.compute(tensor(numbers, "float32")))
    results = results[~np.isnan(results)]
    for predicted, real in ((value.interval.lo, results.min()), (value.interval.hi, results.max())):
        assert predicted == real or abs(predicted - real) <= 1e-3 * max(1.0, abs(real)), (
            f"{predicted} for {real}"
        )


WITNESSES = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0, -1.0, 0.5, 104.0, -104.0, 750.0, 2.0, -3.0]), st.floats(-9.0, 9.0)),
    min_size=1,
    max_size=3,
    unique=True,
)


@pytest.mark.parametrize(("name", "kind"), kinds_of(CASES))
def test_witnesses_are_what_tensorflow_computes(name: str, kind: str) -> None:
    case = CASES[name]

    @EXAMPLES
    @given(st.lists(WITNESSES, min_size=3, max_size=3), st.booleans(), st.booleans())
    def check(drawn: list[list[float]], shared: bool, shape_known: bool) -> None:
        shape = ((SIDE, SIDE) if case.rows else (COUNT,)) if shape_known else None
        operands = []
        for index, (numbers, within) in enumerate(zip(drawn, case.within, strict=False)):
            stored = [round_to(n, kind if kind != "bool" else None) for n in numbers]
            stored = [float(n > 0) if kind == "bool" else n for n in stored]
            kept = tuple(dict.fromkeys(n for n in stored if n in within))
            operands.append(operand(OUTSIDE + index, within, kind, shape, kept))
        if shared and len(operands) == 2:
            # Two tensors made of one: the numbers of both hang together.
            first = operands[0]
            other = run("identity", {"x": first}, 50)
            operands = [first, other]
        args = {**dict(zip(case.names, operands, strict=True)), **case.args, **axis(name)}
        value = run(name, args)
        for witness in value.witnesses:
            assumed = dict(witness.inputs)
            if value.op in assumed:
                results = reached(name, case, kind)
            else:
                sources = [next(op for op in o.producers() if op.name == "outside") for o in operands]
                results = computed(
                    name, case, kind, [np.full(COUNT, assumed.get(source, 1.0)) for source in sources]
                )
            assert any(close(witness.value, r, value.dtype, case) for r in results.ravel()), (
                f"{witness.value!r} is predicted for {witness.inputs}, it is {results.ravel()[:4]!r}"
            )

    check()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if len(case.within) == 1])
def test_what_is_assumed_of_unknown_input_is_reached(name: str) -> None:
    """sigmoid, relu and softmax claim numbers although nothing is known of their input."""
    case = CASES[name]
    for kind in sorted({"float32", "bool"} & set(case.kinds)):  # an unknown format is taken for float32
        unknown = Unknown(op_of("outside", {}, OUTSIDE))
        value = run(name, {case.names[0]: unknown, **case.args, **axis(name)})
        for witness in value.witnesses:
            assumed = dict(witness.inputs)
            if value.op in assumed:
                results = reached(name, case, kind)
            else:
                results = computed(name, case, kind, [np.full(COUNT, assumed.get(unknown.op, 1.0))])
            assert any(close(witness.value, r, kind, case) for r in results.ravel()), witness


@pytest.mark.parametrize(
    ("name", "kind"), [(n, kind) for n, case in CASES.items() for kind in case.unsupported]
)
def test_formats_without_a_kernel(name: str, kind: str) -> None:
    """Where a format is left out above, TensorFlow refuses it."""
    with pytest.raises((tf.errors.NotFoundError, tf.errors.InvalidArgumentError, TypeError)):
        computed(name, CASES[name], kind, [np.zeros(COUNT)])


@EXAMPLES
@given(RANGES, SEEDS)
@pytest.mark.parametrize("kind", FLOATS)
def test_sparse_cross_entropy(kind: str, ends: tuple[float, float], seed: int) -> None:
    random = np.random.default_rng(seed)
    interval = interval_of(ends, kind, Interval(-6e4, 6e4))
    labels = random.integers(0, SIDE, SIDE)
    logits = sample(interval, kind, random).reshape(SIDE, SIDE)
    value = run(
        "sparse_softmax_cross_entropy_with_logits",
        {"labels": operand(OUTSIDE, EVERYTHING, "int32"), "logits": operand(1, interval, kind, (SIDE, SIDE))},
    )
    results = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tensor(logits, kind))
    assert value.interval.lo == 0.0
    assert value.shape == (SIDE,)
    assert_inside(numbers_of(results), value, kind, np.False_)


# ---- choices


@EXAMPLES
@given(st.lists(RANGES, min_size=3, max_size=3), SEEDS, st.sampled_from(FLOATS), st.booleans())
@pytest.mark.parametrize("test", ["greater", "less", "greater_equal", "less_equal", "equal", "not_equal"])
@pytest.mark.parametrize("choice", ["where", "select"])
def test_where_on_the_value_itself(
    choice: str, test: str, ranges: list[tuple[float, float]], seed: int, kind: str, negated: bool
) -> None:
    """A comparison of a branch's own value narrows that branch, on the side that is taken."""
    random = np.random.default_rng(seed)
    intervals = [interval_of(ends, kind) for ends in ranges]
    x, bound, other = (operand(OUTSIDE + i, interval, kind) for i, interval in enumerate(intervals))
    a, b, c = (tensor(sample(interval, kind, random), kind) for interval in intervals)
    condition = run(test, {"x": x, "y": bound}, 50)
    holds = getattr(tf, test)(a, b)
    if negated:
        condition, holds = run("logical_not", {"x": condition}, 51), tf.logical_not(holds)
    for branches, results in (
        ({"x": x, "y": other}, tf.where(holds, a, c)),
        ({"x": other, "y": x}, tf.where(holds, c, a)),
        ({"x": run("neg", {"x": x}, 52), "y": x}, tf.where(holds, -a, a)),
    ):
        value = run(choice, {"condition": condition, **branches})
        assert_inside(numbers_of(results), value, kind, np.False_)


@EXAMPLES
@given(st.lists(RANGES, min_size=2, max_size=2), SEEDS, st.sampled_from(FLOATS))
@pytest.mark.parametrize("test", ["greater", "less", "greater_equal", "less_equal", "equal", "not_equal"])
def test_refine(test: str, ranges: list[tuple[float, float]], seed: int, kind: str) -> None:
    """What passes a guard lies in the refined interval, and no witness that fails it is left."""
    random = np.random.default_rng(seed)
    intervals = [interval_of(ends, kind) for ends in ranges]
    numbers, bounds = (sample(interval, kind, random) for interval in intervals)
    first = tuple(dict.fromkeys(round_to(float(n), kind) for n in numbers[:4]))
    x = operand(OUTSIDE, intervals[0], kind, None, first)
    bound = operand(OUTSIDE + 1, intervals[1], kind, None, (round_to(float(bounds[0]), kind),))
    value = run("refine", {"x": x, "test": Const(test), "bound": bound})
    passed = np.asarray(getattr(tf, test)(tensor(numbers, kind), tensor(bounds, kind)))
    assert_inside(numbers[passed], value, kind, np.False_)
    for witness in value.witnesses:
        limit = dict(witness.inputs)[bound.op]
        assert bool(getattr(tf, test)(tensor(witness.value, kind), tensor(limit, kind)))


@EXAMPLES
@given(st.lists(RANGES, min_size=2, max_size=2), SEEDS, st.sampled_from(FLOATS))
@pytest.mark.parametrize("name", ["join", "stack", "concat"])
def test_either_of_two(name: str, ranges: list[tuple[float, float]], seed: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    intervals = [interval_of(ends, kind) for ends in ranges]
    drawn = [sample(interval, kind, random) for interval in intervals]
    operands = [
        operand(OUTSIDE + i, interval, kind, (COUNT,), (round_to(float(numbers[0]), kind),))
        for i, (interval, numbers) in enumerate(zip(intervals, drawn, strict=True))
    ]
    args: dict[str, Value] = {"values": Items(tuple(operands))}
    if name == "join":
        args = {str(i): value for i, value in enumerate(operands)}
    value = run(name, args)
    real = {
        "join": lambda parts: tf.stack(parts),
        "stack": tf.stack,
        "concat": lambda parts: tf.concat(parts, 0),
    }
    results = real[name]([tensor(numbers, kind) for numbers in drawn])
    assert_inside(numbers_of(results), value, kind, np.True_)
    assert name == "join" or value.shape == tuple(results.shape)
    assert {w.value for w in value.witnesses} == {round_to(float(numbers[0]), kind) for numbers in drawn}


@EXAMPLES
@given(RANGES, SEEDS, st.sampled_from(FLOATS))
@pytest.mark.parametrize("target", [*FLOATS, "int32", "int64", "uint8", "bool"])
def test_cast(target: str, ends: tuple[float, float], seed: int, kind: str) -> None:
    """A number that an integer format cannot hold is not converted in the same way everywhere."""
    random = np.random.default_rng(seed)
    interval = interval_of(ends, kind)
    numbers = sample(interval, kind, random)
    reached_numbers = tuple(dict.fromkeys(round_to(float(n), kind) for n in numbers[:4]))
    x = operand(OUTSIDE, interval, kind, (COUNT,), reached_numbers)
    value = run("cast", {"x": x, "dtype": Const(target)})
    results = numbers_of(tf.cast(tensor(numbers, kind), target))
    assert value.dtype == target
    if target in INTEGERS and target != "bool":
        low, high = INTEGERS[target]
        results = results[(np.trunc(numbers) >= low) & (np.trunc(numbers) <= high)]
    assert_inside(results, value, target, np.False_)
    for witness in value.witnesses:
        (number,) = dict(witness.inputs).values()
        assert close(
            witness.value, float(numbers_of(tf.cast(tensor(number, kind), target))), target, CASES["add"]
        )


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(-300, 300), st.integers(-300, 300)), min_size=2, max_size=2),
    SEEDS,
    st.sampled_from(["int32", "uint8", "int8", "int64"]),
)
@pytest.mark.parametrize(
    "name",
    [
        *("add", "sub", "mul", "maximum", "minimum", "floordiv", "mod"),
        *("abs", "neg", "square", "sign", "squared_difference", "greater", "equal"),
    ],
)
def test_integers_wrap_around(name: str, ranges: list[tuple[int, int]], seed: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    low, high = INTEGERS[kind]
    assume(kind in INTEGER_KERNELS.get(name, INTEGERS))
    intervals = []
    for ends in ranges:
        a, b = sorted(float(min(max(end, low), high)) for end in ends)
        intervals.append(Interval(a, b))
    if name in ("floordiv", "mod"):
        intervals[1] = Interval(max(intervals[1].lo, 1.0), max(intervals[1].hi, 1.0))
    count = len(CASES[name].within)
    operands = [operand(OUTSIDE + i, x, kind, None, (x.lo, x.hi)) for i, x in enumerate(intervals[:count])]
    numbers = [random.integers(int(x.lo), int(x.hi), COUNT, endpoint=True) for x in intervals[:count]]
    value = run(name, dict(zip(CASES[name].names, operands, strict=True)))
    results = CASES[name].compute(*(tf.constant(n, kind) for n in numbers))
    assert value.dtype == results.dtype.name
    assert_inside(numbers_of(results), value, kind, np.False_)
    for witness in value.witnesses:
        assumed = dict(witness.inputs)
        if value.op not in assumed:
            inputs = [tf.constant(int(assumed[o.op]), kind) for o in operands if o.op in assumed]
            assert float(numbers_of(CASES[name].compute(*inputs))) == witness.value


#: Where TensorFlow has kernels for some integer formats only.
INTEGER_KERNELS = {
    **dict.fromkeys(["abs", "neg", "sign"], ("int8", "int32", "int64")),
    "squared_difference": ("int32", "int64"),
}

# ---- sources


def _steps(count: int) -> tf.Tensor:
    """What an optimizer says of the steps that it has done."""
    optimizer, weight = tf.keras.optimizers.SGD(), tf.keras.Variable(1.0)
    for _ in range(count):
        optimizer.apply([tf.constant(0.0)], [weight])
    return tf.convert_to_tensor(optimizer.iterations)


@pytest.mark.parametrize("kind", FLOATS)
def test_sources(kind: str) -> None:
    """Constants, indicators, ranges and samples against what TensorFlow makes."""
    dtype = Const(kind)
    grid_shape = Items((Const(30), Const(40)))
    made: list[tuple[str, dict[str, Value], Any]] = [
        ("constant", {"value": Items((Const(1e-8), Const(0.1), Const(-3))), "dtype": dtype},
         tf.constant([1e-8, 0.1, -3], kind)),
        ("zeros", {"shape": grid_shape, "dtype": dtype}, tf.zeros((30, 40), kind)),
        ("ones", {"shape": grid_shape, "dtype": dtype}, tf.ones((30, 40), kind)),
        ("one_hot", {"x": operand(0, Interval(0.0, 4.0), "int32", (3,)), "depth": Const(5), "dtype": dtype},
         tf.one_hot([0, 1, 4], 5, dtype=kind)),
        ("one_hot", {"x": operand(0, Interval(0.0, 4.0), "int32", (3,)), "depth": Const(5), "dtype": dtype,
                     "on_value": Const(0.9), "off_value": Const(0.025)},
         tf.one_hot([0, 1, 4], 5, 0.9, 0.025, dtype=kind) if kind == "float32" else None),
        ("eye", {"num_rows": Const(3), "dtype": dtype}, tf.eye(3, dtype=kind)),
        ("mask", {"dtype": dtype}, tf.sequence_mask([0, 2], 3, kind)),
        ("range", {"start": Const(0), "limit": Const(3), "delta": Const(0.25), "dtype": dtype},
         tf.range(0.0, 3.0, 0.25, kind)),
        ("range", {"start": Const(5), "dtype": dtype}, tf.range(5, dtype=kind)),
        ("linspace", {"start": Const(-1.0), "stop": Const(0.1), "num": Const(37), "dtype": dtype},
         tf.linspace(tf.constant(-1.0, kind), tf.constant(0.1, kind), 37)),
        ("random_normal", {"shape": grid_shape, "mean": Const(1.0), "stddev": Const(0.1), "dtype": dtype,
                           "truncated": Const(True)}, tf.random.truncated_normal((30, 40), 1.0, 0.1, kind)),
        ("random_normal", {"shape": grid_shape, "dtype": dtype}, tf.random.normal((30, 40), dtype=kind)),
        ("random_uniform", {"shape": grid_shape, "dtype": dtype}, tf.random.uniform((30, 40), dtype=kind)),
        ("random_uniform", {"shape": grid_shape, "minval": Const(1e-3), "maxval": Const(2.0), "dtype": dtype},
         tf.random.uniform((30, 40), 1e-3, 2.0, kind)),
        ("random_integers", {"shape": grid_shape, "minval": Const(-3), "maxval": Const(9),
                             "dtype": Const("int32")},
         tf.random.uniform((30, 40), -3, 9, tf.int32)),
        ("size", {"x": NONE}, tf.size(tf.zeros((3, 4)))),
        ("shape", {"x": operand(0, EVERYTHING, kind, (3, 4))}, tf.shape(tf.zeros((3, 4)))),
        *(("iterations", {}, _steps(count)) for count in (0, 1, 3)),
    ]  # fmt: skip
    for name, args, real in made:
        if real is None:
            continue
        value = run(name, args)
        results = numbers_of(real)
        assert_inside(results, value, kind, np.False_)
        assert value.dtype == real.dtype.name, name
        assert value.shape is None or len(value.shape) == len(real.shape), name
        assert all(a in (None, b) for a, b in zip(value.shape or (), real.shape, strict=False)), name
        for witness in value.witnesses:
            if name.startswith("random"):
                assert results.min() <= witness.value <= results.max(), name  # such numbers are drawn
            else:
                assert any(close(witness.value, r, kind, CASES["add"]) for r in results.ravel()), name


# ---- relations between the operands


@EXAMPLES
@given(RANGES, SEEDS, st.sampled_from(("float32", "float64", "bfloat16", "float16")), st.booleans())
def test_relations(ends: tuple[float, float], seed: int, kind: str, shape_known: bool) -> None:
    """Softmax written by hand, probabilities that are summed, a number by itself."""
    random = np.random.default_rng(seed)
    interval = interval_of(ends, kind, Interval(-6e4, 6e4))
    numbers = sample(interval, kind, random).reshape(SIDE, SIDE)
    logits = operand(OUTSIDE, interval, kind, (SIDE, SIDE) if shape_known else None)
    last: dict[str, Value] = {"axis": Const(-1), "keepdims": Const(True)}
    z = tensor(numbers, kind)

    peak = run("max", {"x": logits, **last}, 10)
    shifted = run("sub", {"x": logits, "y": peak}, 11)
    powers = run("exp", {"x": shifted}, 12)
    total = run("sum", {"x": powers, **last}, 13)
    shares = run("div", {"x": powers, "y": total}, 14)
    real_shifted = z - tf.reduce_max(z, -1, keepdims=True)
    real_powers = tf.exp(real_shifted)
    real_total = tf.reduce_sum(real_powers, -1, keepdims=True)
    assert shifted.interval.hi == 0.0
    assert powers.interval.hi == 1.0
    assert total.interval.lo >= 1.0
    assert UNIT.lo <= shares.interval.lo <= shares.interval.hi <= UNIT.hi
    for value, real in ((shifted, real_shifted), (powers, real_powers), (total, real_total),
                        (shares, real_powers / real_total)):  # fmt: skip
        assert_inside(numbers_of(real), value, kind, np.False_)

    others = operand(OUTSIDE, Interval(-6e4, 6e4), kind, None)
    for name, compute, sign in (("maximum", tf.maximum, -1.0), ("minimum", tf.minimum, 1.0)):
        bound = run(name, {"x": others, "y": logits}, 15)
        real = compute(tensor(sample(Interval(-6e4, 6e4), kind, random).reshape(SIDE, SIDE), kind), z)
        below = run("sub", {"x": logits, "y": bound}, 16)
        above = run("sub", {"x": bound, "y": logits}, 17)
        assert_inside(numbers_of(z - real), below, kind, np.False_)
        assert_inside(numbers_of(real - z), above, kind, np.False_)
        assert (below.interval.hi == 0.0) == (sign < 0) or logits.interval.is_point
        assert (above.interval.lo == 0.0) == (sign < 0) or logits.interval.is_point

    probabilities = run("softmax", {"x": logits}, 20)
    real = tf.nn.softmax(z)
    for name, compute in (("sum", tf.reduce_sum), ("max", tf.reduce_max)):
        for over in ({"axis": Const(-1)}, {}):
            value = run(name, {"x": probabilities, **over}, 21)
            results = compute(real, -1) if over else compute(real)
            assert_inside(numbers_of(results), value, kind, np.False_)
            assert value.interval.lo > 0.0 or (kind == "float16" and name == "sum")
    for name, compute in (("sub", tf.subtract), ("mul", tf.multiply), ("div", tf.divide)):
        value = run(name, {"x": logits, "y": logits}, 30)
        assert_inside(numbers_of(compute(z, z)), value, kind, np.full((SIDE, SIDE), name == "div"))


# ---- nothing is left out

#: Operators that claim no bound, each with the reason.
NOT_BOUNDED = UNBOUNDED | {
    "variable": "training moves it anywhere",
    "placeholder": "anything is fed",
    "overwritten": "an array that anything may have been written to",
    "measure": "an entropy or divergence, which rounding may make negative",
    "noise": "what is added is normally distributed",
    "dense": "training moves its kernel anywhere",
    "conv": "training moves its kernel anywhere",
    "embedding": "training moves its rows anywhere",
    "batch_norm": "training moves its scale anywhere",
    "layer_norm": "training moves its scale anywhere",
    "normalization": "scaled by what the data gives",
    "csv": "any table",
    "column": "any column of a table",
    "predict": "any model",
    "watch": "computes nothing",
    "labels": "by its role in a loss; reaches 0 and 1",
    "prediction": "by its role in a loss; reaches 0 and 1",
    "binary_crossentropy": "negative for labels outside of [0, 1]",
    "binary_focal_crossentropy": "negative for labels outside of [0, 1]",
    "categorical_crossentropy": "negative for labels outside of [0, 1]",
    "categorical_focal_crossentropy": "negative for labels outside of [0, 1]",
    "sparse_categorical_crossentropy": "not claimed",
    "kl_divergence": "negative for what are no probabilities",
    "poisson": "negative for predictions under 1",
    "log_cosh": "not claimed",
    "log_loss": "negative for labels outside of [0, 1]",
    "cosine_similarity": "not claimed",
    "cosine_distance": "not claimed",
    "mean_pairwise_squared_error": "a difference of two means, which rounding may make negative",
    "dice": "1 minus a quotient of products of any sign",
    "tversky": "1 minus a quotient of products of any sign",
    "circle": "not claimed",
    "ctc": "the logarithm of a likelihood, which rounding may make negative",
    "categorical_generalized_cross_entropy": "negative for predictions over 1",
    "metric": "what is measured; the bounds that a metric's name implies are its arguments",
}
#: Operators whose bound is no arithmetic of tensors, each with what it is.
BY_CONTRACT = {
    "pixels": "what image files hold: 0 to 255",
    "scaled_images": "pixels that were divided by 255",
    "class_ids": "numbers of classes count from 0",
    "tabular": "the published range of a data set",
    "scaled": "what a scaler guarantees",
    "sample": "the support of a distribution; tests/test_ops_distributions.py compares it",
    "likelihood": "a density; compared there",
    "log_likelihood": "the logarithm of a density; compared there",
    "probability": "a value of a distribution function; compared there",
    "parameter_of": "positive by contract",
    "heaviside": "0, 1 or the other operand; tests/test_ops_library.py compares it",
    "distance": "a root of squares; compared there",
    "weighted_mean": "the sign of products; tests/test_ops_library.py compares it",
    "initial_values": "what an initializer draws; tests/test_ops_library.py compares it",
    "constrained": "what a constraint says; tests/test_ops_library.py compares it",
    "regularization": "norms of variables, with factors that are not negative",
    "learning_rate": "what an optimizer's constructor names",
    "schedule": "what the learning rate schedule's constructor names",
    "lstm": "a gate of at most 1 times tanh; the weights are not known",
    "gru": "a mean of numbers that are tanh's; the weights are not known",
    "rnn": "tanh; the weights are not known",
    "resize": "means of pixels; tests/test_ops_library.py compares it with the layers",
    "augment": "pixels of the image or the fill value; compared there",
    "recolor": "the range of pixels that a layer clips to; compared there",
    "attend": "means of the values; compared there",
    "attention_scores": "a softmax that the layer returns beside its output",
    "prelu": "its argument where that is not negative; compared there",
    "lookup": "numbers of classes, and zeros and ones; compared there",
    "assign": "the value that is assigned, as identity",
    "custom_gradient": "what the decorated function computes, as identity",
    "batch": "elements of the data set, as stack",
}


def test_every_operator_has_a_property() -> None:
    tested = CASES.keys() | APART
    left_out = NOT_BOUNDED.keys() | BY_CONTRACT.keys()
    assert not tested & left_out
    for name in NOT_BOUNDED:
        assert run(name, {}).interval == EVERYTHING, name
    assert sorted(OPERATORS.keys() - tested - left_out) == []
    assert sorted((tested | left_out) - OPERATORS.keys()) == []
