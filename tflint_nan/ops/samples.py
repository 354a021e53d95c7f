"""Random numbers: distributions by what they lie in, and generators.

A bound that samples come near but hardly reach is no evidence: only what is drawn often is a witness, which
no distribution here has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tflint_nan.interval import EVERYTHING, INTEGERS, Interval, smallest
from tflint_nan.ops import shapes
from tflint_nan.ops.names import entries
from tflint_nan.ops.points import dimensions, dtype_named, integer, is_given, is_numpy
from tflint_nan.ops.table import Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import Const, Items, Length, Op, Value

# ---- distributions


def _drawn(op: Op, interval: Interval, default: str | None = None) -> Facts:
    dtype = dtype_named(op.arg("dtype"), op.api) or (default if is_numpy(op) else None)
    shape = dimensions(op.arg("shape"))
    if op.arg("for_each").literal is True:
        inner = op.arg("parameter").shape
        shape = None if shape is None or inner is None else (*shape, *inner)
    return Facts(interval.stored(dtype), (), dtype, shape)


@operator("random_positive")
def _random_positive(op: Op) -> Facts:
    """Of a distribution over the positive numbers, its parameters positive by contract.

    Small samples underflow to 0, save where TensorFlow keeps them at the smallest normal number.
    """
    dtype = dtype_named(op.arg("dtype"), op.api)
    least = smallest(dtype) if op.arg("kept").literal is True else 0.0
    return _drawn(op, Interval(least, math.inf), "float64")


@operator("random_counts", differentiable=False)
def _random_counts(op: Op) -> Facts:
    """Poisson, binomial, geometric, ...: whole numbers from 0, as floats in TensorFlow."""
    limit = op.arg("limit")
    top = limit.interval.hi if is_given(limit) else float("inf")
    return _drawn(op, Interval(0.0, max(top, 0.0)), "int64")


@operator("random_real")
def _random_real(op: Op) -> Facts:
    """Of a distribution over all numbers that is not the normal one."""
    return _drawn(op, EVERYTHING, "float64")


@operator("categorical", differentiable=False)
def _categorical(op: Op) -> Facts:
    """Numbers of classes, as many as there are logits in a row."""
    x = op.arg("x")
    classes = x.shape[-1] if x.shape else None
    dtype = dtype_named(op.arg("dtype"), op.api) or "int64"
    shape = (x.shape[0], integer(op.arg("num_samples"))) if x.shape and len(x.shape) == 2 else None
    return Facts(Interval(0.0, classes - 1.0 if classes else float("inf")), (), dtype, shape)


@operator("random_choice", flow=("x",), differentiable=False)
def _random_choice(op: Op) -> Facts:
    """Elements of an array, or numbers under the given one."""
    x = op.arg("x")
    if _is_count(x):
        return Facts(Interval(0.0, max(x.interval.hi - 1.0, 0.0)), (), "int64", dimensions(op.arg("shape")))
    kept = tuple(w for w in x.witnesses if w.inputs or x.interval.is_point)
    return Facts(x.interval, kept, x.dtype, None)


# ---- tf.random

# Without a seed of their own, gamma and poisson draw so many samples for each of their parameters.
_EACH = Const(True)
_GAMMA = "alpha:parameter beta dtype"
_KEPT = Const(True)
api(
    "tf.random.gamma tf.random_gamma",
    "random_positive",
    f"shape {_GAMMA} seed name",
    kept=_KEPT,
    for_each=_EACH,
)
api("tf.random.stateless_gamma", "random_positive", f"shape seed {_GAMMA} name", kept=_KEPT)
api("tf.random.poisson", "random_counts", "shape lam:parameter dtype seed name", for_each=_EACH)
api("tf.random_poisson", "random_counts", "lam:parameter shape dtype seed name", for_each=_EACH)
api("tf.random.stateless_poisson", "random_counts", "shape seed lam dtype name")
api(
    "tf.random.stateless_binomial",
    "random_counts",
    "shape seed counts:limit probs output_dtype:dtype name",
    dtype=Const("int32"),
)
api("tf.random.categorical", "categorical", "logits:x num_samples dtype seed name")
api("tf.random.stateless_categorical", "categorical", "logits:x num_samples seed dtype name")
_MULTINOMIAL = "logits:x num_samples seed"
api("tf.multinomial tf.random.multinomial", "categorical", f"{_MULTINOMIAL} name output_dtype:dtype")
api("tf.random.stateless_multinomial", "categorical", f"{_MULTINOMIAL} output_dtype:dtype name")
api(
    "tf.random.stateless_parameterized_truncated_normal",
    "random_uniform",
    "shape seed means stddevs minvals:minval maxvals:maxval name",
)
api("tf.math.sobol_sample", "random_uniform", "dim num_results skip dtype name")


def candidates(machine: Machine, call: Call) -> Value:
    """A candidate sampler: classes, and how often the true and the sampled ones were to be expected."""
    expected: dict[str, Value] = {"dtype": Const("float32")}
    names: dict[str, Value] = {"dtype": Const("int64")}
    return Items(
        (
            machine.emit("index", names, call=call),
            *(machine.emit("random_positive", expected, call=call) for _ in range(2)),
        )
    )


_TRUE = "true_classes num_true num_sampled unique"
_UNIGRAMS = "vocab_file distortion num_reserved_ids num_shards shard unigrams seed name"
for _module in ("tf.random", "tf.nn"):
    api(f"{_module}.all_candidate_sampler", candidates, f"{_TRUE} seed name")
    api(f"{_module}.fixed_unigram_candidate_sampler", candidates, f"{_TRUE} range_max {_UNIGRAMS}")
    for _name in ("learned_unigram", "log_uniform", "uniform"):
        api(f"{_module}.{_name}_candidate_sampler", candidates, f"{_TRUE} range_max seed name")

# ---- generators


def generator(machine: Machine, call: Call) -> Value:
    """`tf.random.Generator.from_seed(1)` and its like."""
    return machine.new("generator", call)


def generators(machine: Machine, call: Call) -> Value:
    """`generator.split(count)`."""
    count = integer(call.arg("count")) or 1
    made = machine.new("generator", call)
    return Items((made,) * min(count, 64), "list", count <= 64)


api("tf.random.Generator", generator, "copy_from state alg")
api("tf.random.Generator.from_seed", generator, "seed alg")
api("tf.random.Generator.from_non_deterministic_state", generator, "alg")
api("tf.random.Generator.from_state", generator, "state alg")
api("tf.random.get_global_generator", generator, "")
api("generator.split", generators, "self count")
_NORMAL = "self shape mean stddev dtype name"
api("generator.normal", "random_normal", _NORMAL)
api("generator.truncated_normal", "random_normal", _NORMAL, truncated=Const(True))
api("generator.uniform", "random_uniform", "self shape minval maxval dtype name")
api("generator.uniform_full_int", "bits", "self shape dtype name")
api("generator.binomial", "random_counts", "self shape counts:limit probs dtype name")

# ---- NumPy: functions of its module, and methods of its generators

#: Operator -> signatures of the functions whose samples it bounds.
_DISTRIBUTIONS = {
    "random_positive": (
        "chisquare:df exponential:scale f:dfnum,dfden gamma:shape_,scale lognormal:mean,sigma "
        "noncentral_chisquare:df,nonc noncentral_f:dfnum,dfden,nonc pareto:a rayleigh:scale "
        "standard_exponential: standard_gamma:shape_ wald:mean,scale weibull:a"
    ),
    "random_counts": (
        "binomial:n,p geometric:p hypergeometric:ngood,nbad,nsample logseries:p multinomial:n,pvals "
        "negative_binomial:n,p poisson:lam zipf:a"
    ),
    "random_real": (
        "gumbel:loc,scale laplace:loc,scale logistic:loc,scale multivariate_normal:mean,cov "
        "standard_cauchy: standard_t:df"
    ),
    "random_uniform": "beta:a,b dirichlet:alpha power:a",
}


def permuted(machine: Machine, call: Call) -> Value:
    """`permutation(x)`: an array in another order, or the numbers under `x`."""
    x = call.arg("x")
    if _is_count(x):
        return machine.emit("random_choice", {"x": x, "shape": Items((x,))}, call=call)
    return machine.emit("shuffle", {"x": x}, call=call)


def _is_count(x: Value) -> bool:
    """Whether `x` is one whole number, not an array."""
    return integer(x) is not None or (x.shape == () and (isinstance(x, Length) or x.dtype in INTEGERS))


def samples(target: str) -> Handler:
    """`rand(2, 3)` and `randn(2, 3)`, which take the shape as separate arguments."""

    def emit(machine: Machine, call: Call) -> Value:
        return machine.emit(target, {"shape": Items(tuple(call.rest))}, call=call)

    return emit


def _numpy(names: str, target: str | Handler, signature: str, fixed: Mapping[str, Value] = {}) -> None:
    """Declare a function of `np.random` and the method of its generators."""
    for name in names.split():
        api(f"np.random.{name}", target, signature, removed=None, **fixed)
        api(f"rng.{name}", target, f"self {signature}", removed=None, **fixed)


for _target, _text in _DISTRIBUTIONS.items():
    for _name, _given in entries(_text):
        # The parameter `shape` of a gamma distribution is no shape of the result.
        _params = [] if _given == _name else [p.replace("shape_", "shape:alpha") for p in _given.split(",")]
        _numpy(_name, _target, " ".join([*_params, "size:shape"]))
_numpy("uniform", "random_uniform", "low:minval high:maxval size:shape")
_numpy("normal", "random_normal", "loc:mean scale:stddev size:shape")
_numpy("standard_normal", "random_normal", "size:shape")
_numpy("triangular", "random_uniform", "left:minval mode right:maxval size:shape")
_TURN = {"minval": Const(-math.pi), "maxval": Const(math.pi)}
_numpy("vonmises", "random_uniform", "mu kappa size:shape", _TURN)
_numpy("choice", "random_choice", "a:x size:shape replace p")
_numpy("permutation", permuted, "x")
_numpy("rand", samples("random_uniform"), "")
_numpy("randn", samples("random_normal"), "")
api("np.random.random np.random.random_sample", "random_uniform", "size:shape")
api("np.random.ranf np.random.sample", "random_uniform", "size:shape")
api("rng.random", "random_uniform", "self size:shape dtype out")
api("rng.random_sample", "random_uniform", "self size:shape")
_ONE = Items(())
api("random.random", "random_uniform", "", shape=_ONE)
api("random.uniform", "random_uniform", "a:minval b:maxval", shape=_ONE)
api("random.gauss random.normalvariate", "random_normal", "mu:mean sigma:stddev", shape=_ONE)
_INTEGERS = "low:minval high:maxval size:shape dtype"
api("np.random.randint", "random_integers", _INTEGERS)
api("rng.randint rng.integers", "random_integers", f"self {_INTEGERS} endpoint")
api("np.random.random_integers", "random_integers", "low:minval high:maxval size:shape")


def numpy_generator(machine: Machine, call: Call) -> Value:
    """`np.random.default_rng(1)` and `np.random.RandomState(1)`."""
    return machine.new("rng", call)


api("np.random.shuffle", shapes.nothing, "x")
api("np.random.seed", shapes.nothing, "seed")
api("rng.shuffle", shapes.nothing, "self x")
api("rng.seed", shapes.nothing, "self seed")
api("np.random.default_rng np.random.RandomState", numpy_generator, "seed")
