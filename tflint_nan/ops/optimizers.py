"""Optimizers and learning-rate schedules.

An optimizer is an object of kind `optimizer`; its op carries `algorithm` and the constructor's
arguments as given. A schedule is a value whose range ends at the largest learning rate.
"""

from __future__ import annotations

import dataclasses
import math

from tflint_nan.interval import INTEGERS, Interval
from tflint_nan.ops.handlers import harmless, nothing, number
from tflint_nan.ops.table import APIS, BASES, Call, Facts, Machine, api, operator
from tflint_nan.value import NONE, UNKNOWN, Const, Function, Items, Object, Op, Value, Witness

#: The string in `compile(optimizer=...)`, in lower case -> the Keras class.
STRINGS: dict[str, str] = {}
#: Algorithms that divide by the root of a mean of squares, 0 before the first gradient, and an epsilon.
DIVIDING = frozenset({"adam", "adamw", "nadam", "adamax", "lamb", "rmsprop", "adadelta"})
#: Beginnings of optimizers' names -> the epsilon that theirs have by default; the longest that fits counts.
_EPSILONS = {
    "keras.optimizers.": 1e-7,
    "keras.optimizers.ScheduleFreeAdamW": 1e-8,
    "tf.optimizers.": 1e-7,
    "tf.optimizers.ScheduleFreeAdamW": 1e-8,
    "tf.train.AdamOptimizer": 1e-8,
    "tf.train.AdadeltaOptimizer": 1e-8,
    "tf.train.RMSPropOptimizer": 1e-10,
    "tf.contrib.opt.": 1e-8,
    "tfa.optimizers.": 1e-7,
    "tfa.optimizers.LAMB": 1e-6,
}
#: What Keras's Adam and its relatives weigh the past with by default.
BETAS = {"beta_1": 0.9, "beta_2": 0.999}
#: Arguments of a schedule that are learning rates.
_RATES = ("learning_rate", "end_learning_rate", "warmup_target", "values")


def make(machine: Machine, call: Call) -> Value:
    """An optimizer; a schedule that the project defines is called with the step, as Keras does."""
    rate = call.arg("learning_rate")
    if isinstance(rate, Object) and rate.kind == "schedule" and rate.cls is not None:
        step = machine.emit("iterations", {}, call=call)
        call = dataclasses.replace(call, args={**call.args, "scheduled": machine.call(rate, [step], {})})
    return machine.new("optimizer", call)


@operator("iterations", differentiable=False)
def _iterations(op: Op) -> Facts:
    """How many steps of training are done: from 0 on."""
    return Facts(Interval(0.0, float(INTEGERS["int64"][1])), (), "int64", ())


def default_epsilon(name: str) -> float | None:
    """The epsilon of an optimizer of `DIVIDING` that is given none; None where it is not known."""
    return _EPSILONS.get(max((start for start in _EPSILONS if name.startswith(start)), key=len, default=""))


def is_of_keras(name: str) -> bool:
    """Whether an optimizer is one of Keras's, which TensorFlow Addons derive from."""
    return name.startswith(("keras.", "tf.optimizers.", "tfa."))


def named(machine: Machine, name: str, place: Call) -> Value:
    """The optimizer that a string means, with its default learning rate; it stands at `place`."""
    found = STRINGS.get(name.lower())
    if found is None:
        return UNKNOWN
    call = dataclasses.replace(place, api=found, args=dict(APIS[found].fixed))
    return machine.new("optimizer", call)


def wrapped(machine: Machine, call: Call) -> Value:
    """An optimizer around another one (loss scaling, replicas, averages): the inner one's settings."""
    return call.arg("inner")


def scaling(machine: Machine, call: Call) -> Value:
    """An optimizer that scales losses, around another one: that one, with an op that says so."""
    machine.emit("loss_scale", {"optimizer": call.arg("inner")}, call=call)
    return call.arg("inner")


def clipping(machine: Machine, call: Call) -> Value:
    """An optimizer that clips gradients, around another one: that one, with an op that says so."""
    machine.emit("clip_gradients", {"optimizer": call.arg("inner")}, call=call)
    return call.arg("inner")


def scaled(machine: Machine, call: Call) -> Value:
    """`optimizer.scale_loss(loss)`: the loss, as its gradients are scaled back. Of a function a function."""
    loss = call.arg("loss")
    return loss if isinstance(loss, Function) else machine.emit("identity", {"x": loss}, call=call)


def identified(machine: Machine, call: Call) -> Value:
    """`keras.optimizers.get("adam")`."""
    given = call.arg("identifier")
    name = given.literal
    return named(machine, name, call) if isinstance(name, str) else given


#: Names of the learning rate as an attribute.
_ATTRIBUTES = ("learning_rate", "lr", "_lr")


@operator("learning_rate", differentiable=False)
def _learning_rate(op: Op) -> Facts:
    """The rate that an optimizer is made with, as its attribute."""
    optimizer = op.arg("optimizer")
    given = optimizer.config("learning_rate") if isinstance(optimizer, Object) else NONE
    return Facts() if given is NONE else Facts(given.interval, given.witnesses, given.dtype)


def rate_of(machine: Machine, call: Call) -> Value:
    """`optimizer.learning_rate`."""
    return machine.emit("learning_rate", {"optimizer": call.arg("self")}, call=call)


def set_attribute(machine: Machine, call: Call) -> Value:
    """`optimizer.learning_rate = x`: an assignment to the rate, as `.assign` and `K.set_value` are."""
    optimizer = call.arg("self")
    if isinstance(optimizer, Object) and call.arg("name").literal in _ATTRIBUTES:
        rate = machine.emit("learning_rate", {"optimizer": optimizer}, call=call)
        value = machine.emit("assign", {"variable": rate, "x": call.arg("x")}, call=call)
        machine.set(optimizer, str(call.arg("name").literal), value)
    return NONE


def _numbers(value: Value) -> list[Value]:
    if isinstance(value, Items):
        return list(value.items) if value.complete else [UNKNOWN]
    return [] if value is NONE else [value]


@operator("schedule")
def schedule(op: Op) -> Facts:
    """A learning rate over time: from 0 to the largest that its constructor names."""
    rates = [rate.interval for name in _RATES for rate in _numbers(op.arg(name))]
    growth = [number(op.arg(name)) for name in ("decay_rate", "m_mul")]
    if not rates or any(rate is not None and rate > 1.0 for rate in growth):
        return Facts()
    peak = max(rate.hi for rate in rates)
    low = min(0.0, *(rate.lo for rate in rates))
    reached = (Witness(peak),) if math.isfinite(peak) else ()
    return Facts(Interval(low, peak), reached)


def minimize(machine: Machine, call: Call) -> Value:
    """`optimizer.minimize(loss)`; in TensorFlow 2 the loss is a function without parameters."""
    args = {name: value for name, value in call.args.items() if name != "self"}
    made, second = call.arg("self"), args.get("global_step")
    of_keras = isinstance(made, Object) and made.api.startswith("keras.")
    if second is not None and (of_keras or isinstance(second, Items)):
        # Keras takes the variables in the place of the step, which is one variable.
        args["variables"] = args.pop("global_step")
    if isinstance(call.arg("loss"), Function):
        args["loss"] = machine.call(call.arg("loss"), [], {})
    return machine.emit("minimize", {"optimizer": call.arg("self"), **args}, call=call)


def apply_gradients(machine: Machine, call: Call) -> Value:
    """`optimizer.apply_gradients(pairs)`."""
    args = {"optimizer": call.arg("self"), "gradients": call.arg("gradients")}
    return machine.emit("apply_gradients", args, call=call)


def compute_gradients(machine: Machine, call: Call) -> Value:
    """`optimizer.compute_gradients(loss)`: pairs of a gradient and a variable."""
    args = {name: value for name, value in call.args.items() if name != "self"}
    gradients = machine.emit("gradients", {"optimizer": call.arg("self"), **args}, call=call)
    return Items((Items((gradients, UNKNOWN)),), "list", complete=False)


def train_op(machine: Machine, call: Call) -> Value:
    """A function that minimises a loss with an optimizer (`slim.learning.create_train_op`)."""
    return machine.emit("minimize", call.args, call=call)


def optimize_loss(machine: Machine, call: Call) -> Value:
    """`tf.contrib.layers.optimize_loss`: the optimizer by name, symbol or object, and its rate."""
    optimizer = call.arg("optimizer")
    name = optimizer.literal
    algorithm = {"SGD": "sgd", "Momentum": "momentum"}.get(str(name), str(name).lower())
    args = dict(call.args)
    if isinstance(name, str):
        settings = {"algorithm": Const(algorithm), "learning_rate": call.arg("learning_rate")}
        args["optimizer"] = machine.new("optimizer", dataclasses.replace(call, args=settings))
    return machine.emit("minimize", args, call=call)


#: Of the modules that held older optimizers, what Keras 3 still has.
_KEPT = {("legacy", _name) for _name in ("SGD", "RMSprop", "Adam", "Adagrad", "Ftrl")}
#: Optimizers that came after those modules.
_NEW = ("Muon", "ScheduleFreeAdamW")
_CLIPS = "weight_decay clipnorm clipvalue global_clipnorm"
_OLD = "lr:learning_rate decay"
for _class, _algorithm, _signature in (
    ("SGD", "sgd", f"learning_rate momentum nesterov {_CLIPS}"),
    ("RMSprop", "rmsprop", f"learning_rate rho momentum epsilon centered {_CLIPS}"),
    ("Adam", "adam", f"learning_rate beta_1 beta_2 epsilon amsgrad {_CLIPS}"),
    (
        "AdamW",
        "adamw",
        "learning_rate weight_decay beta_1 beta_2 epsilon amsgrad clipnorm clipvalue global_clipnorm",
    ),
    ("Nadam", "nadam", f"learning_rate beta_1 beta_2 epsilon {_CLIPS}"),
    ("Adamax", "adamax", f"learning_rate beta_1 beta_2 epsilon {_CLIPS}"),
    ("Lamb", "lamb", f"learning_rate beta_1 beta_2 epsilon {_CLIPS}"),
    ("Lion", "lion", f"learning_rate beta_1 beta_2 {_CLIPS}"),
    ("Adagrad", "adagrad", f"learning_rate initial_accumulator_value epsilon {_CLIPS}"),
    ("Adadelta", "adadelta", f"learning_rate rho epsilon {_CLIPS}"),
    (
        "Ftrl",
        "ftrl",
        "learning_rate learning_rate_power initial_accumulator_value l1_regularization_strength "
        f"l2_regularization_strength l2_shrinkage_regularization_strength beta {_CLIPS}",
    ),
    ("Muon", "muon", "learning_rate adam_beta_1:beta_1 adam_beta_2:beta_2 adam_weight_decay epsilon"),
    ("ScheduleFreeAdamW", "adamw", f"learning_rate beta_1 beta_2 epsilon warmup_steps {_CLIPS}"),
    ("Adafactor", "adafactor", "learning_rate beta_2_decay epsilon_1 epsilon_2 clip_threshold"),
):
    _name = f"keras.optimizers.{_class}"
    _both = f"{_name} tf.optimizers.{_class}"
    api(_both, make, f"{_signature} {_OLD}", algorithm=Const(_algorithm))
    STRINGS[_class.lower()] = _name
    BASES[_name] = "optimizer"
    for _module in () if _class in _NEW else ("experimental", "legacy"):
        api(
            f"keras.optimizers.{_module}.{_class}",
            make,
            f"{_signature} {_OLD}",
            removed=None if (_module, _class) in _KEPT else "2.15",
            algorithm=Const(_algorithm),
        )
BASES["keras.optimizers.Optimizer"] = BASES["keras.Optimizer"] = "optimizer"
BASES["tf.train.Optimizer"] = "optimizer"

_ADAM = "learning_rate beta1:beta_1 beta2:beta_2 epsilon"
for _class, _algorithm, _signature in (
    ("GradientDescentOptimizer", "sgd", "learning_rate"),
    ("MomentumOptimizer", "momentum", "learning_rate momentum use_locking name use_nesterov"),
    ("AdamOptimizer", "adam", _ADAM),
    ("RMSPropOptimizer", "rmsprop", "learning_rate decay:rho momentum epsilon use_locking centered"),
    ("AdagradOptimizer", "adagrad", "learning_rate initial_accumulator_value"),
    ("AdadeltaOptimizer", "adadelta", "learning_rate rho epsilon"),
    ("FtrlOptimizer", "ftrl", "learning_rate learning_rate_power initial_accumulator_value"),
    ("ProximalGradientDescentOptimizer", "sgd", "learning_rate l1_regularization_strength"),
    ("ProximalAdagradOptimizer", "adagrad", "learning_rate initial_accumulator_value"),
    ("AdagradDAOptimizer", "adagrad", "learning_rate global_step"),
):
    api(f"tf.train.{_class}", make, _signature, algorithm=Const(_algorithm))
    BASES[f"tf.train.{_class}"] = "optimizer"
for _class, _algorithm, _signature in (
    ("tf.contrib.opt.AdamWOptimizer", "adamw", f"weight_decay {_ADAM}"),
    ("tf.contrib.opt.MomentumWOptimizer", "momentum", "weight_decay learning_rate momentum"),
    ("tf.contrib.opt.NadamOptimizer tf.contrib.opt.LazyAdamOptimizer", "nadam", _ADAM),
    ("tf.contrib.opt.AdaMaxOptimizer", "adamax", _ADAM),
    ("tf.contrib.opt.LARSOptimizer", "lars", "learning_rate momentum weight_decay eeta epsilon"),
):
    api(_class, make, _signature, removed="1.15", algorithm=Const(_algorithm))
for _class, _algorithm, _signature in (
    ("AdamW", "adamw", "weight_decay learning_rate beta_1 beta_2 epsilon amsgrad"),
    ("SGDW", "sgd", "weight_decay learning_rate momentum nesterov"),
    ("LAMB", "lamb", "learning_rate beta_1 beta_2 epsilon"),
    ("LazyAdam RectifiedAdam", "adam", "learning_rate beta_1 beta_2 epsilon"),
):
    for _name in _class.split():
        # TensorFlow Addons, which ended with TensorFlow 2.14.
        api(f"tfa.optimizers.{_name}", make, _signature, removed="2.14", algorithm=Const(_algorithm))

api(
    "keras.optimizers.LossScaleOptimizer keras.mixed_precision.LossScaleOptimizer",
    scaling,
    "inner_optimizer:inner initial_scale dynamic_growth_steps",
)
api("tf.train.SyncReplicasOptimizer", wrapped, "opt:inner replicas_to_aggregate total_num_replicas")
api(
    "tf.train.experimental.enable_mixed_precision_graph_rewrite "
    "tf.mixed_precision.enable_mixed_precision_graph_rewrite",
    scaling,
    "opt:inner loss_scale",
)
api("tf.train.experimental.MixedPrecisionLossScaleOptimizer", scaling, "opt:inner loss_scale")
api(
    "keras.mixed_precision.experimental.LossScaleOptimizer",
    scaling,
    "optimizer:inner loss_scale",
    removed="2.10",
)
api("tf.contrib.mixed_precision.LossScaleOptimizer", scaling, "opt:inner loss_scale_manager", removed="1.15")
api(
    "tf.contrib.opt.MovingAverageOptimizer tf.contrib.tpu.CrossShardOptimizer",
    wrapped,
    "opt:inner",
    removed="1.15",
)
api("tf.contrib.estimator.clip_gradients_by_norm", clipping, "optimizer:inner clip_norm", removed="1.15")
api("tf.tpu.CrossShardOptimizer", wrapped, "opt:inner reduction name group_assignment")
api("keras.optimizers.get", identified, "identifier")
api("optimizer.__init__", nothing, "self")
api("optimizer.__setattr__", set_attribute, "self name value:x")
api("optimizer.learning_rate optimizer.lr", rate_of, "self")
api("optimizer.minimize", minimize, "self loss global_step var_list:variables")
api("optimizer.apply_gradients", apply_gradients, "self grads_and_vars:gradients global_step name")
api("optimizer.apply", apply_gradients, "self grads:gradients trainable_variables")
api("optimizer.compute_gradients", compute_gradients, "self loss var_list:variables gate_gradients")
api("optimizer.assign optimizer.assign_add optimizer.assign_sub", "assign", "self variable value:x")
api("optimizer.get_gradients", compute_gradients, "self loss params:variables")
api("optimizer.get_updates", minimize, "self loss params:variables")
api("optimizer.scale_loss optimizer.get_scaled_loss", scaled, "self loss")
api("optimizer.get_unscaled_gradients", lambda machine, call: call.arg("gradients"), "self grads:gradients")
api(
    "tf.contrib.slim.learning.create_train_op tf.contrib.training.create_train_op",
    train_op,
    "total_loss:loss optimizer global_step update_ops variables_to_train:variables transform_grads_fn "
    "clip_gradient_norm:clip_gradients",
    removed="1.15",
    checked=Const(True),
)
api(
    "tf.contrib.layers.optimize_loss",
    optimize_loss,
    "loss global_step learning_rate optimizer gradient_noise_scale gradient_multipliers clip_gradients",
    removed="1.15",
)

# Schedules.

_DECAY = "decay_steps decay_rate staircase name"
_POLYNOMIAL = "decay_steps end_learning_rate power cycle name"
_START = "initial_learning_rate:learning_rate"
BASES["keras.optimizers.schedules.LearningRateSchedule"] = "schedule"
for _class, _signature in (
    ("ExponentialDecay", f"{_START} {_DECAY}"),
    ("InverseTimeDecay", f"{_START} {_DECAY.replace('decay_rate', 'decay_rate:rate')}"),
    ("PolynomialDecay", f"{_START} {_POLYNOMIAL}"),
    ("PiecewiseConstantDecay", "boundaries values name"),
    ("CosineDecay", f"{_START} decay_steps alpha name warmup_target warmup_steps"),
    ("CosineDecayRestarts", f"{_START} first_decay_steps t_mul m_mul alpha name"),
):
    api(f"keras.optimizers.schedules.{_class}", "schedule", _signature)
for _class, _signature in (
    ("exponential_decay", f"learning_rate global_step {_DECAY}"),
    ("natural_exp_decay", f"learning_rate global_step {_DECAY.replace('decay_rate', 'decay_rate:rate')}"),
    ("inverse_time_decay", f"learning_rate global_step {_DECAY.replace('decay_rate', 'decay_rate:rate')}"),
    ("polynomial_decay", f"learning_rate global_step {_POLYNOMIAL}"),
    ("piecewise_constant", "x boundaries values name"),
    ("piecewise_constant_decay", "x boundaries values name"),
    ("cosine_decay", "learning_rate global_step decay_steps alpha name"),
    ("cosine_decay_restarts", "learning_rate global_step first_decay_steps t_mul m_mul alpha name"),
    (
        "noisy_linear_cosine_decay",
        "learning_rate:noisy global_step decay_steps initial_variance variance_decay num_periods alpha beta",
    ),
    ("linear_cosine_decay", "learning_rate global_step decay_steps num_periods alpha beta name"),
):
    api(f"tf.train.{_class}", "schedule", _signature)
api("schedule.__call__", harmless, "self step")
