"""Variables, placeholders, sessions and gradients."""

from __future__ import annotations

from tflint_nan.interval import Interval
from tflint_nan.ops.configuration import applied
from tflint_nan.ops.handlers import float_dtype, number, unknown
from tflint_nan.ops.table import Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import NONE, UNKNOWN, Const, Items, OneOf, Op, Table, Tensor, Value


@operator("assign", flow=("x",))
def _assign(op: Op) -> Facts:
    """The value that a variable gets."""
    x = op.arg("x")
    return Facts(x.interval, x.witnesses, x.dtype, x.shape)


@operator("clip_by_norm")
def _clip_by_norm(op: Op) -> Facts:
    """A tensor scaled down where its length passes `norm`: each element lies in [-norm, norm]."""
    x, norm = op.arg("x"), number(op.arg("norm"))
    dtype = float_dtype(op, "x")
    if norm is None or not norm >= 0.0:
        return Facts(dtype=dtype, shape=x.shape)
    return Facts(Interval(-norm, norm).stored(dtype, 4), dtype=dtype, shape=x.shape)


def clip_together(machine: Machine, call: Call) -> Value:
    """`tf.clip_by_global_norm(tensors, norm)`: the clipped list, and the norm that it had."""
    norm, given = call.arg("norm"), call.arg("x")
    listed = given.items if isinstance(given, Items) else (given,)
    clipped = tuple(machine.emit("clip_by_norm", {"x": x, "norm": norm}, call=call) for x in listed)
    whole = isinstance(given, Items) and given.complete
    return Items((Items(clipped, "list", whole), unknown(machine, given, call=call)))


def plain(kind: str) -> Handler:
    """A library object of which only the kind matters."""

    def handler(machine: Machine, call: Call) -> Value:
        return machine.new(kind, call)

    return handler


def session_run(machine: Machine, call: Call) -> Value:
    """`session.run(fetches, feed_dict)`: what is fetched, in its structure."""
    feed(machine, call, runs=not _only_tensors(call.arg("fetches")))
    return fetched(call.arg("fetches"))


def evaluate(machine: Machine, call: Call) -> Value:
    """`tensor.eval(feed_dict)`."""
    feed(machine, call, runs=False)
    return call.arg("self")


def run_operation(machine: Machine, call: Call) -> Value:
    """`train_op.run(feed_dict)`: its pairs; an operation gives nothing."""
    feed(machine, call, runs=True)
    return NONE


def feed(machine: Machine, call: Call, *, runs: bool) -> None:
    """Emit each pair of placeholder and data that a `feed_dict` is known to hold.

    `runs` is False where nothing but tensors is computed for it: it is no step of training.
    """
    given = call.arg("feed_dict")
    for table in given.choices if isinstance(given, OneOf) else (given,):
        if isinstance(table, Table):
            for key, data in table.items.items():
                if isinstance(key, Tensor):
                    args = {"placeholder": key, "data": data, "runs": Const(runs)}
                    machine.emit("feed", args, call=call)


def _only_tensors(value: Value) -> bool:
    if isinstance(value, (Items, Table)):
        items = value.items if isinstance(value, Items) else value.items.values()
        return value.complete and all(map(_only_tensors, items))
    return isinstance(value, Tensor)


def fetched(value: Value) -> Value:
    """What a session returns for `value`: arrays for tensors, nothing known for operations and names."""
    if isinstance(value, Items):
        return Items(tuple(fetched(item) for item in value.items), value.kind, value.complete)
    if isinstance(value, Table):
        return Table({key: fetched(item) for key, item in value.items.items()}, value.complete)
    return value if isinstance(value, Tensor) else UNKNOWN


def itself(machine: Machine, call: Call) -> Value:
    """`with session.as_default():` the session."""
    return call.arg("self")


def gradients(machine: Machine, call: Call) -> Value:
    """`tf.gradients(loss, variables)`, `tape.gradient(loss, variables)`: one for each variable."""
    args = {"tape" if name == "self" else name: value for name, value in call.args.items()}
    value = machine.emit("gradients", args, call=call)
    variables = call.arg("variables")
    if isinstance(variables, Items):
        items = tuple(machine.emit("unknown_call", {"0": value}) for _ in variables.items)
        return Items(items, "list", variables.complete)
    return value


@operator("watch")
def _watch(op: Op) -> Facts:
    """Tells a tape to differentiate by a tensor; computes nothing."""
    return Facts()


def list_of_gradients(machine: Machine, call: Call) -> Value:
    """`tf.gradients`: a list, even for one variable."""
    value = gradients(machine, call)
    return value if isinstance(value, Items) else Items((value,), "list", complete=False)


def gradient_function(machine: Machine, call: Call) -> Value:
    """`tfe.implicit_gradients(f)` and the like: not known."""
    return unknown(machine, call.arg("f"), call=call)


def step(machine: Machine, call: Call) -> Value:
    """The global step: a counter that no training moves."""
    args: dict[str, Value] = {"initial_value": Const(0), "trainable": Const(False)}
    return machine.emit("variable", {**args, "dtype": Const("int64")}, call=call)


def variable(machine: Machine, call: Call) -> Value:
    """A variable; a program's own constraint is called, to know where it keeps the numbers."""
    args = dict(call.args)
    if "constraint" in args:
        args["constraint"] = applied(machine, args["constraint"], call)
    return machine.emit("variable", args, call=call)


api(
    "tf.Variable",
    variable,
    "initial_value trainable validate_shape caching_device name variable_def dtype import_scope constraint",
)
api(
    "tf.get_variable",
    variable,
    "name shape dtype initializer:initial_value regularizer trainable collections caching_device partitioner "
    "validate_shape use_resource custom_getter constraint",
)
api("tf.assign", "assign", "ref:variable value:x validate_shape use_locking name")
api("tf.assign_add", "add", "ref:x value:y use_locking name")
api("tf.assign_sub", "sub", "ref:x value:y use_locking name")
api("tensor.assign", "assign", "self:variable value:x use_locking name read_value")
api("tensor.assign_add", "add", "self:x delta:y use_locking name read_value")
api("tensor.assign_sub", "sub", "self:x delta:y use_locking name read_value")
api(
    "tf.contrib.framework.variable tf.contrib.slim.variable tf.contrib.framework.model_variable "
    "tf.contrib.slim.model_variable",
    "variable",
    "name shape dtype initializer:initial_value regularizer trainable",
    removed="1.15",
)
api("tf.contrib.framework.get_or_create_global_step", step, "graph", removed="1.15")
api("tf.train.get_or_create_global_step tf.train.create_global_step tf.train.get_global_step", step, "graph")
# Of `K.variable` nobody knows whether an optimizer has it: as often it is a weight of the loss or a rate.
api(
    "keras.backend.variable",
    variable,
    "value:initial_value dtype name constraint",
    trainable=Const(False),
)
api("keras.Variable", variable, "initializer:initial_value shape dtype trainable autocast aggregation")
api("keras.backend.placeholder", "placeholder", "shape ndim dtype", removed="2.15")
api("tf.placeholder", "placeholder", "dtype shape name")
api("tf.placeholder_with_default", "placeholder", "input:default shape name")
api("tf.sparse_placeholder", "placeholder", "dtype shape name")

# Sessions.

api("tf.Session", plain("session"), "target graph config")
api("tf.InteractiveSession", plain("session"), "target graph config")
api(
    "tf.train.MonitoredTrainingSession",
    plain("session"),
    "master is_chief checkpoint_dir scaffold hooks",
)
api("tf.train.MonitoredSession", plain("session"), "session_creator hooks")
api("tf.train.SingularMonitoredSession", plain("session"), "hooks scaffold master config")
api("tf.train.Supervisor", plain("supervisor"), "graph ready_op")
api(
    "supervisor.managed_session supervisor.prepare_or_wait_for_session",
    plain("session"),
    "self master config",
)
api("tf.get_default_session", plain("session"), "")
api("keras.backend.get_session", plain("session"), "", removed="2.15")
api("tf.compat.v1.keras.backend.get_session", plain("session"), "op_input_list", removed="2.15")
api("session.run", session_run, "self fetches feed_dict options run_metadata")
api("session.as_default", itself, "self")
api("tensor.eval", evaluate, "self feed_dict session")
api("operation.run", run_operation, "self feed_dict session")

# Gradients.

api("tf.clip_by_norm", "clip_by_norm", "t:x clip_norm:norm axes name")
api("tf.clip_by_global_norm", clip_together, "t_list:x clip_norm:norm use_norm name")

api("tf.gradients", list_of_gradients, "ys:loss xs:variables grad_ys name")
api("keras.backend.gradients", list_of_gradients, "loss variables")
api("tf.GradientTape", plain("tape"), "persistent watch_accessed_variables")
api("tape.watch", "watch", "self tensor:x")
api("tape.stop_recording", plain("unrecorded"), "self")
_TAPED = "self target:loss sources:variables"
api("tape.gradient", gradients, f"{_TAPED} output_gradients", taped=Const(True))
api("tape.jacobian tape.batch_jacobian", gradients, _TAPED, taped=Const(True))
api(
    "tf.contrib.eager.implicit_gradients tf.contrib.eager.implicit_value_and_gradients",
    gradient_function,
    "f",
    removed="1.15",
)
