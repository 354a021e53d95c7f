"""What surrounds a training program: strategies of distribution, estimators' specifications, hooks, files.

A strategy calls the step function in each replica; the rest are objects that take tensors and compute
nothing that a program trains with.
"""

from __future__ import annotations

from tflint_nan.ops.handlers import harmless
from tflint_nan.ops.table import BASES, Call, Handler, Machine, api
from tflint_nan.value import Items, Symbol, Table, Value


def make(machine: Machine, call: Call) -> Value:
    """`tf.distribute.MirroredStrategy(...)`."""
    return machine.new("strategy", call)


def run(machine: Machine, call: Call) -> Value:
    """`strategy.run(fn, args=(...), kwargs={...})`."""
    args, options = machine.elements(call.arg("args")), call.arg("kwargs")
    kwargs = (
        {k: v for k, v in options.items.items() if isinstance(k, str)} if isinstance(options, Table) else {}
    )
    return machine.call(call.arg("fn"), list(args or ()), kwargs)


def reduce(machine: Machine, call: Call) -> Value:
    """`strategy.reduce(op, value, axis)`: a sum or a mean over the replicas."""
    how = call.arg("op")
    name = how.name if isinstance(how, Symbol) else str(how.literal)
    operator = "mean" if name.rpartition(".")[2].lower() == "mean" else "sum"
    return machine.emit(operator, {"x": call.arg("x")}, call=call)


def itself(machine: Machine, call: Call) -> Value:
    """A data set, in parts for the replicas."""
    return call.arg("x")


def from_function(machine: Machine, call: Call) -> Value:
    """`strategy.distribute_datasets_from_function(f)`: what the function returns."""
    return machine.call(call.arg("f"), [machine.emit("unknown_call", {}, call=call)], {})


def as_list(machine: Machine, call: Call) -> Value:
    """`strategy.experimental_local_results(value)`: one for each replica."""
    return Items((call.arg("x"),), "tuple", complete=False)


def specification(machine: Machine, call: Call) -> Value:
    """`EstimatorSpec(mode, loss=..., train_op=...)`; its fields are its attributes."""
    return machine.new("estimator_spec", call, **{k: v for k, v in call.args.items() if k != "self"})


def _object(kind: str) -> Handler:
    """An object of which only the kind matters."""

    def handler(machine: Machine, call: Call) -> Value:
        return machine.new(kind, call)

    return handler


#: What these objects take first.
_OPTIONS = {
    "Saver": "var_list reshape sharded max_to_keep",
    "Checkpoint": "root",
    "CheckpointManager": "checkpoint directory max_to_keep",
    "CheckpointSaverHook": "checkpoint_dir save_secs save_steps saver",
    "Coordinator": "clean_stop_exception_types joined_stop_exc_types",
    "FeedFnHook": "feed_fn",
    "FinalOpsHook": "final_ops final_ops_feed_dict",
    "GlobalStepWaiterHook": "wait_until_step",
    "LoggingTensorHook": "tensors every_n_iter every_n_secs at_end",
    "NanTensorHook": "loss_tensor fail_on_nan_loss",
    "ProfilerHook": "save_steps save_secs",
    "QueueRunner": "queue enqueue_ops",
    "Scaffold": "init_op init_feed_dict init_fn",
    "SecondOrStepTimer": "every_secs every_steps",
    "StepCounterHook": "every_n_steps every_n_secs",
    "StopAtStepHook": "num_steps last_step",
    "SummarySaverHook": "save_steps save_secs output_dir summary_writer scaffold summary_op",
}


def average(machine: Machine, call: Call) -> Value:
    """`ema.average(variable)`: a mean of its values so far, which no gradient passes."""
    return machine.emit("stop_gradient", {"x": call.arg("x")}, call=call)


# ---- strategies

_STRATEGIES = (
    ("MirroredStrategy", "devices cross_device_ops"),
    ("MultiWorkerMirroredStrategy", "cluster_resolver communication_options"),
    ("OneDeviceStrategy", "device"),
    ("ParameterServerStrategy", "cluster_resolver variable_partitioner"),
    ("Strategy", "extended"),
    ("TPUStrategy", "tpu_cluster_resolver experimental_device_assignment"),
    ("get_strategy", ""),
)
for _name, _signature in _STRATEGIES:
    api(f"tf.distribute.{_name}", make, _signature)
for _name, _signature in (
    ("CentralStorageStrategy", "compute_devices parameter_device"),
    ("MultiWorkerMirroredStrategy", "communication cluster_resolver"),
    ("ParameterServerStrategy", "cluster_resolver variable_partitioner"),
    ("TPUStrategy", "tpu_cluster_resolver device_assignment"),
):
    api(f"tf.distribute.experimental.{_name}", make, _signature)
for _name in ("MirroredStrategy", "OneDeviceStrategy", "TPUStrategy", "ParameterServerStrategy"):
    api(f"tf.contrib.distribute.{_name}", make, "devices", removed="1.15")
api("strategy.run", run, "self fn args kwargs options")
for _name in ("experimental_run_v2", "call_for_each_replica"):
    api(f"strategy.{_name}", run, "self fn args kwargs", removed="2.3")
api("strategy.reduce", reduce, "self reduce_op:op value:x axis")
api("strategy.scope", harmless, "self")
api("strategy.experimental_distribute_dataset", itself, "self dataset:x options")
api(
    "strategy.distribute_datasets_from_function strategy.experimental_distribute_datasets_from_function",
    from_function,
    "self dataset_fn:f options",
)
api("strategy.experimental_local_results", as_list, "self value:x")

# ---- estimators

_SPECIFIED = "mode predictions loss train_op eval_metric_ops export_outputs"
api("tf.estimator.EstimatorSpec", specification, _SPECIFIED, removed="2.15")
api(
    "tf.contrib.tpu.TPUEstimatorSpec tf.estimator.tpu.TPUEstimatorSpec",
    specification,
    "mode predictions loss train_op eval_metrics",
    removed="2.15",
)

# ---- objects of `tf.train` that take tensors, and that training does not see

for _kind, _names in (
    ("saver", "Saver Checkpoint CheckpointManager Scaffold"),
    (
        "hook",
        "CheckpointSaverHook FinalOpsHook FeedFnHook GlobalStepWaiterHook LoggingTensorHook NanTensorHook",
    ),
    ("hook", "ProfilerHook StepCounterHook StopAtStepHook SummarySaverHook SecondOrStepTimer"),
    ("queue", "Coordinator QueueRunner"),
):
    for _name in _names.split():
        api(f"tf.train.{_name}", _object(_kind), _OPTIONS.get(_name, ""))
api("tf.train.ExponentialMovingAverage", _object("average"), "decay num_updates zero_debias name")
api("average.average", average, "self var:x")
api("average.apply", harmless, "self var_list")
BASES["tf.train.SessionRunHook"] = "hook"
