"""Probability distributions: of TensorFlow Probability, `tf.distributions` and `tf.contrib.distributions`.

A distribution is an object; what its methods compute is known by contract: samples lie in the support,
densities are not negative, scales are positive (a scale that is not is the program's own risk).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tflint_nan.interval import EVERYTHING, NON_NEGATIVE, UNIT, Interval
from tflint_nan.ops.handlers import receiver, text
from tflint_nan.ops.points import facts, is_given
from tflint_nan.ops.table import BASES, Call, Facts, Machine, api, operator
from tflint_nan.value import NONE, UNKNOWN, Const, Object, Op, Symbol, Value

#: Where distributions come from, and the last version that had them.
_MODULES = {"tfp.distributions": None, "tf.distributions": None, "tf.contrib.distributions": "1.15"}
#: What TensorFlow itself has of them, and what its `contrib` had besides.
_IN_TENSORFLOW = {
    *("Bernoulli", "Beta", "Categorical", "Dirichlet", "DirichletMultinomial", "Exponential", "Gamma"),
    *("Laplace", "Multinomial", "Normal", "StudentT", "Uniform"),
}
_IN_CONTRIB = {
    *("Binomial", "Cauchy", "Chi2", "Deterministic", "Geometric", "Gumbel", "HalfNormal", "Independent"),
    *("InverseGamma", "Kumaraswamy", "Logistic", "Mixture", "MixtureSameFamily", "MultivariateNormalDiag"),
    *("MultivariateNormalFullCovariance", "MultivariateNormalTriL", "NegativeBinomial"),
    *("OneHotCategorical", "Poisson", "QuantizedDistribution", "RelaxedBernoulli"),
    *("RelaxedOneHotCategorical", "SinhArcsinh", "TransformedDistribution", "VectorDeterministic"),
}
Support = Callable[[Object], Interval]
_SUPPORTS: dict[str, Support] = {}
#: Arguments that are positive by contract, and that are shares.
_POSITIVE = ("scale", "concentration", "concentration0", "concentration1", "rate", "df")
_SHARES = ("probs",)
#: Arguments of one distribution inside of another are followed as deep as this.
_DEPTH = 8


def _family(distribution: Object) -> str:
    return distribution.api.rpartition(".")[2]


def _always(interval: Interval) -> Support:
    return lambda made: interval


def _between(low: str, high: str, least: float, most: float) -> Support:
    """From one argument to another, with their defaults; samples are moved there by a rounded sum."""

    def support(made: Object) -> Interval:
        first, last = made.config(low), made.config(high)
        start = first.interval.lo if is_given(first) else least
        end = last.interval.hi if is_given(last) else most
        return Interval(start, end).stored(None, 4) if start <= end else EVERYTHING

    return support


def support_of(distribution: Value) -> Interval:
    """Where the samples of a distribution lie; everything where that is not known."""
    for _ in range(_DEPTH):
        if not isinstance(distribution, Object) or distribution.cls is not None:
            break
        inner = _WRAPPERS.get(_family(distribution))
        if inner is None:
            support = _SUPPORTS.get(_family(distribution))
            return EVERYTHING if support is None else support(distribution)
        distribution = distribution.config(inner)
    return EVERYTHING


def _is_sure(op: Op) -> bool:
    """True where a probability is a softmax's or a sigmoid's, so that none is over 1."""
    made, bounds = op.arg("distribution"), op.arg("value").interval
    family = _family(made) if isinstance(made, Object) else ""
    return family == "Categorical" or (family == "Bernoulli" and bounds.lo >= 0.0 and bounds.hi <= 1.0)


@operator("sample")
def _sample(op: Op) -> Facts:
    """Samples, means and modes: in the support."""
    return Facts(support_of(op.arg("distribution")))


@operator("likelihood")
def _likelihood(op: Op) -> Facts:
    """A probability (density), a standard deviation, a variance: not negative."""
    return Facts(UNIT if _is_sure(op) else NON_NEGATIVE)


@operator("probability")
def _probability(op: Op) -> Facts:
    """A value of a distribution function: 0 to 1."""
    return Facts(UNIT)


@operator("log_likelihood")
def _log_likelihood(op: Op) -> Facts:
    """The logarithm of a density has any sign."""
    return Facts(Interval(-math.inf, 0.0) if _is_sure(op) else EVERYTHING)


@operator("measure")
def _measure(op: Op) -> Facts:
    """An entropy, a divergence: mathematically bounded below by 0, which rounding may pass."""
    return Facts()


@operator("parameter_of")
def _parameter_of(op: Op) -> Facts:
    """An argument of a distribution, as its attribute: positive where its contract says so."""
    x, name = op.arg("x"), text(op.arg("name"))
    bounds = UNIT if name in _SHARES else NON_NEGATIVE if name in _POSITIVE else EVERYTHING
    kept = x.interval.meet(bounds) or bounds
    return facts(kept, [w for w in x.witnesses if w.value == w.value], x.dtype, x.shape)


def make(machine: Machine, call: Call) -> Value:
    """A distribution."""
    return machine.new("distribution", call)


def computes(name: str) -> Callable[[Machine, Call], Value]:
    """A method that is an operation on the distribution and its arguments."""

    def handler(machine: Machine, call: Call) -> Value:
        args = {key: value for key, value in call.args.items() if key != "self"}
        return machine.emit(name, {"distribution": call.arg("self"), **args}, call=call)

    return handler


def parameter(name: str) -> Callable[[Machine, Call], Value]:
    """`distribution.scale`."""

    def handler(machine: Machine, call: Call) -> Value:
        made = receiver(call)
        given = NONE if made is None else made.config(name)
        if isinstance(given, Const) and given is not NONE:
            return given
        return machine.emit("parameter_of", {"x": given, "name": Const(name)}, call=call)

    return handler


def from_function(machine: Machine, call: Call) -> Value:
    """A bijector, or `tfp.layers.DistributionLambda(f)`, which is called as `f`."""
    return machine.new("bijector", call)


def apply(machine: Machine, call: Call) -> Value:
    """`bijector(x)`, `bijector.forward(x)`."""
    made = receiver(call)
    if made is None:
        return UNKNOWN
    function = made.config("make_distribution_fn")
    if function is not NONE:
        return machine.call(function, [call.arg("x")], {})
    name = _BIJECTORS.get(_family(made))
    if name is None:
        return machine.emit("unknown_call", {"0": call.arg("x")}, call=call)
    return machine.call(Symbol(name), [call.arg("x")], {})


def transformed_variable(machine: Machine, call: Call) -> Value:
    """`tfp.util.TransformedVariable(initial_value, bijector)`: a trained variable through the bijector.

    What is given is the value; its inverse is what is stored, so the bijector never computes of it.
    """
    bijector = call.arg("bijector")
    variable = machine.emit("variable", {"bijector": bijector}, call=call)
    return machine.call(bijector, [variable], {}) if isinstance(bijector, Object) else UNKNOWN


#: Distributions of what another one draws -> the argument that is the other one.
_WRAPPERS = {
    "Independent": "distribution",
    "Sample": "distribution",
    "MixtureSameFamily": "components_distribution",
}
_ANY = _always(EVERYTHING)
_COUNT = _between("", "total_count", 0.0, math.inf)
_TAIL = "validate_args allow_nan_stats name"
_LOGITS = "logits probs dtype"
for _name, _signature, _support in (
    ("Normal", "loc scale", _ANY),
    ("Laplace", "loc scale", _ANY),
    ("Cauchy", "loc scale", _ANY),
    ("Gumbel", "loc scale", _ANY),
    ("Logistic", "loc scale", _ANY),
    ("StudentT", "df loc scale", _ANY),
    ("MultivariateNormalDiag", "loc scale_diag", _ANY),
    ("MultivariateNormalTriL", "loc scale_tril", _ANY),
    ("MultivariateNormalFullCovariance", "loc covariance_matrix", _ANY),
    ("MultivariateStudentTLinearOperator", "df loc scale", _ANY),
    ("SinhArcsinh", "loc scale skewness tailweight", _ANY),
    ("GaussianProcess", "kernel index_points", _ANY),
    ("Wishart", "df scale", _ANY),
    ("Bernoulli", _LOGITS, _always(UNIT)),
    ("Categorical", _LOGITS, _always(NON_NEGATIVE)),
    ("OneHotCategorical", _LOGITS, _always(UNIT)),
    ("Multinomial", "total_count logits probs", _COUNT),
    ("Binomial", "total_count logits probs", _COUNT),
    ("BetaBinomial", "total_count concentration1 concentration0", _COUNT),
    ("DirichletMultinomial", "total_count concentration", _COUNT),
    ("NegativeBinomial", "total_count logits probs", _always(NON_NEGATIVE)),
    ("Geometric", "logits probs", _always(NON_NEGATIVE)),
    ("Poisson", "rate log_rate", _always(NON_NEGATIVE)),
    ("Zipf", "power dtype", _always(NON_NEGATIVE)),
    ("Beta", "concentration1 concentration0", _always(UNIT)),
    ("Dirichlet", "concentration", _always(UNIT)),
    ("Kumaraswamy", "concentration1 concentration0", _always(UNIT)),
    ("LogitNormal", "loc scale", _always(UNIT)),
    ("RelaxedBernoulli", "temperature logits probs", _always(UNIT)),
    ("RelaxedOneHotCategorical", "temperature logits probs", _always(UNIT)),
    ("ContinuousBernoulli", "logits probs", _always(UNIT)),
    ("Uniform", "low high", _between("low", "high", 0.0, 1.0)),
    ("Triangular", "low high peak", _between("low", "high", 0.0, 1.0)),
    ("TruncatedNormal", "loc scale low high", _between("low", "high", -math.inf, math.inf)),
    ("PERT", "low peak high", _between("low", "high", -math.inf, math.inf)),
    ("Exponential", "rate", _always(NON_NEGATIVE)),
    ("Gamma", "concentration rate", _always(NON_NEGATIVE)),
    ("InverseGamma", "concentration scale", _always(NON_NEGATIVE)),
    ("Chi2", "df", _always(NON_NEGATIVE)),
    ("Chi", "df", _always(NON_NEGATIVE)),
    ("HalfNormal", "scale", _always(NON_NEGATIVE)),
    ("HalfStudentT", "df loc scale", _ANY),
    ("HalfCauchy", "loc scale", _ANY),
    ("LogNormal", "loc scale", _always(NON_NEGATIVE)),
    ("LogLogistic", "loc scale", _always(NON_NEGATIVE)),
    ("InverseGaussian", "loc concentration", _always(NON_NEGATIVE)),
    ("Weibull", "concentration scale", _always(NON_NEGATIVE)),
    ("Pareto", "concentration scale", _always(NON_NEGATIVE)),
    ("VonMises", "loc concentration", _always(Interval(-3.1415930, 3.1415930))),
    ("Deterministic", "loc", _between("loc", "loc", -math.inf, math.inf)),
    ("VectorDeterministic", "loc", _between("loc", "loc", -math.inf, math.inf)),
    ("Independent", "distribution reinterpreted_batch_ndims", _ANY),
    ("Sample", "distribution sample_shape", _ANY),
    ("MixtureSameFamily", "mixture_distribution components_distribution", _ANY),
    ("Mixture", "cat components", _ANY),
    ("TransformedDistribution", "distribution bijector", _ANY),
    ("QuantizedDistribution", "distribution low high", _ANY),
    ("Empirical", "samples", _between("samples", "samples", -math.inf, math.inf)),
):
    _SUPPORTS[_name] = _support
    for _module, _removed in _MODULES.items():
        if _module == "tfp.distributions" or _name in _IN_TENSORFLOW or (_removed and _name in _IN_CONTRIB):
            api(f"{_module}.{_name}", make, f"{_signature} {_TAIL}", removed=_removed)
            BASES[f"{_module}.{_name}"] = "distribution"
BASES |= dict.fromkeys(("tfp.distributions.Distribution", "tf.distributions.Distribution"), "distribution")

api("distribution.sample", computes("sample"), "self sample_shape seed name")
api("distribution.mean distribution.mode", computes("sample"), "self name")
api("distribution.prob", computes("likelihood"), "self value name")
api("distribution.log_prob", computes("log_likelihood"), "self value name")
api("distribution.cdf distribution.survival_function", computes("probability"), "self value name")
api(
    "distribution.log_cdf distribution.log_survival_function distribution.quantile",
    computes("measure"),
    "self value name",
)
api("distribution.variance distribution.stddev", computes("likelihood"), "self name")
api("distribution.covariance distribution.entropy", computes("measure"), "self name")
api("distribution.kl_divergence distribution.cross_entropy", computes("measure"), "self other name")
for _name in (*_POSITIVE, *_SHARES, "loc", "logits"):
    api(f"distribution.{_name}", parameter(_name), "self")
api(
    "tfp.distributions.kl_divergence tf.distributions.kl_divergence",
    "measure",
    "distribution_a distribution_b allow_nan_stats name",
)
api(
    "tf.contrib.distributions.kl_divergence",
    "measure",
    "distribution_a distribution_b allow_nan_stats name",
    removed="1.15",
)

# ---- the rest of TensorFlow Probability: what bounds numbers

_BIJECTORS = {
    "Exp": "tf.exp",
    "Identity": "tf.identity",
    "Sigmoid": "tf.sigmoid",
    "Softplus": "tf.nn.softplus",
    "SoftmaxCentered": "tf.nn.softmax",
    "Softsign": "tf.nn.softsign",
    "Square": "tf.square",
    "Tanh": "tf.tanh",
}
for _name in _BIJECTORS:
    api(f"tfp.bijectors.{_name}", from_function, "")
    BASES[f"tfp.bijectors.{_name}"] = "bijector"
api("tfp.layers.DistributionLambda", from_function, "make_distribution_fn convert_to_tensor_fn")
api("bijector.__call__ bijector.forward", apply, "self x")
api("tfp.util.TransformedVariable", transformed_variable, "initial_value bijector dtype name")
