"""Calls that repeat or choose (`while_loop`, `scan`, `map_fn`, `case`), functions with their own gradient.

The function of a loop is called with what any number of turns may have left (`widening`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tflint_nan.ops.control import branch, joined
from tflint_nan.ops.handlers import harmless, receiver
from tflint_nan.ops.table import Call, Facts, Handler, Machine, api, operator
from tflint_nan.ops.widening import TURNS, covers, forgotten, widened
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Op, Table, Tensor, Unknown, Value


def _merged(machine: Machine, call: Call, x: Value, y: Value) -> Value:
    """Either of two structures of tensors."""
    if isinstance(x, Items) and isinstance(y, Items) and len(x.items) == len(y.items):
        pairs = zip(x.items, y.items, strict=True)
        return Items(tuple(_merged(machine, call, one, two) for one, two in pairs), x.kind)
    if isinstance(x, Table) and isinstance(y, Table) and x.items.keys() == y.items.keys():
        return Table({key: _merged(machine, call, value, y.items[key]) for key, value in x.items.items()})
    return joined(machine, call, x, y)


def _repeated(machine: Machine, call: Call, state: Value, body: Callable[[Value], Value]) -> Value:
    """What any number of turns (none, too) leave of `state`."""
    for again in range(TURNS):
        after = _merged(machine, call, state, body(state))
        if covers(state, after) and again:
            return after
        state = widened(state, after) if again else after
    state = forgotten(state)
    return forgotten(_merged(machine, call, state, body(state)))


def _spread(machine: Machine, state: Value) -> Sequence[Value]:
    listed = machine.elements(state)
    return [state] if listed is None else listed


def while_loop(machine: Machine, call: Call) -> Value:
    """`while_loop(cond, body, loop_vars)`: the loop's variables, in their structure."""
    start = call.arg("loop_vars")

    def body(state: Value) -> Value:
        machine.call(call.arg("cond"), _spread(machine, state), {})
        result = machine.call(call.arg("body"), _spread(machine, state), {})
        listed = machine.elements(result)
        if isinstance(state, Items):
            return Items((result,) if listed is None else tuple(listed), state.kind)
        return listed[0] if listed is not None and len(listed) == 1 else result

    return _repeated(machine, call, start, body)


def for_loop(machine: Machine, call: Call) -> Value:
    """`fori_loop(lower, upper, body_fun, init_val)`: `body_fun(i, value)` again and again."""
    index = machine.emit("range", {"start": call.arg("lower"), "limit": call.arg("upper")}, call=call)
    return _repeated(
        machine, call, call.arg("init"), lambda state: machine.call(call.arg("fn"), [index, state], {})
    )


def _each(machine: Machine, call: Call, elements: Value) -> Value:
    """One of the rows of each tensor of a structure."""
    if isinstance(elements, Items):
        return Items(tuple(_each(machine, call, item) for item in elements.items), elements.kind)
    if isinstance(elements, Table):
        return Table({key: _each(machine, call, item) for key, item in elements.items.items()})
    return machine.emit("slice", {"x": elements, "index": UNKNOWN}, call=call)


def _stacked(machine: Machine, call: Call, rows: Value) -> Value:
    """Tensors of such rows, in the same structure."""
    if isinstance(rows, Items):
        return Items(tuple(_stacked(machine, call, item) for item in rows.items), rows.kind)
    if isinstance(rows, Table):
        return Table({key: _stacked(machine, call, item) for key, item in rows.items.items()})
    if isinstance(rows, (Tensor, Unknown)) or (isinstance(rows, Const) and rows.number is not None):
        return machine.emit("stack", {"values": rows}, call=call)
    return UNKNOWN


def mapped(machine: Machine, call: Call) -> Value:
    """`map_fn(fn, elems)`: the function of one element, which has an axis less."""
    element = _each(machine, call, call.arg("elems"))
    return _stacked(machine, call, machine.call(call.arg("fn"), [element], {}))


def _folded(machine: Machine, call: Call) -> Value:
    """`fn(accumulated, element)` from the initializer, or from an element, over all elements."""
    element = _each(machine, call, call.arg("elems"))
    start = element if call.arg("initializer") is NONE else call.arg("initializer")
    return _repeated(machine, call, start, lambda state: machine.call(call.arg("fn"), [state, element], {}))


def folded(machine: Machine, call: Call) -> Value:
    """`foldl(fn, elems, initializer)`: what is accumulated in the end."""
    return _folded(machine, call)


def scanned(machine: Machine, call: Call) -> Value:
    """`scan(fn, elems, initializer)`: what is accumulated after each element."""
    return _stacked(machine, call, _folded(machine, call))


def carried(machine: Machine, call: Call) -> Value:
    """Keras' `scan(f, init, xs)`: the last carry, and the outputs stacked; `f(carry, x)` gives both."""
    element = NONE if call.arg("elems") is NONE else _each(machine, call, call.arg("elems"))
    outputs: list[Value] = [UNKNOWN]

    def body(state: Value) -> Value:
        pair = machine.elements(machine.call(call.arg("fn"), [state, element], {}))
        if pair is None or len(pair) != 2:
            return UNKNOWN
        outputs[0] = pair[1]
        return pair[0]

    carry = _repeated(machine, call, call.arg("init"), body)
    return Items((carry, _stacked(machine, call, outputs[0])))


def over_time(machine: Machine, call: Call, cell: Value, x: Value) -> Value:
    """The outputs of a project's own cell over the steps of `x`; it gives an output and its new state."""
    step = _each(machine, call, x)
    outputs: list[Value] = [UNKNOWN]

    def body(state: Value) -> Value:
        pair = machine.elements(machine.call(cell, [step, state], {}))
        if pair is None or len(pair) != 2:
            return UNKNOWN
        outputs[0] = pair[0]
        return pair[1]

    start = call.arg("initial_state")
    _repeated(
        machine, call, machine.emit("unknown_call", {"0": x}, call=call) if start is NONE else start, body
    )
    return _stacked(machine, call, outputs[0])


def chosen(machine: Machine, call: Call) -> Value:
    """`case(pairs, default)`, `switch_case(index, branches, default)`: what one of the functions gives."""
    given = call.arg("branches")
    functions = list(given.items.values() if isinstance(given, Table) else machine.elements(given) or ())
    if not functions:
        return UNKNOWN
    pairs = [machine.elements(function) for function in functions]
    functions = [f if pair is None else pair[-1] for f, pair in zip(functions, pairs, strict=True)]
    if call.arg("default") is not NONE:
        functions.append(call.arg("default"))
    result = branch(machine, functions[0])
    for function in functions[1:]:
        result = _merged(machine, call, result, branch(machine, function))
    return result


# ---- functions that say what their gradient is


@operator("custom_gradient", flow=("computed",))
def _custom_gradient(op: Op) -> Facts:
    """What the function computes; its gradient goes to its arguments, as it says itself."""
    x = op.arg("computed")
    return Facts(x.interval, x.witnesses, x.dtype, x.shape)


def own_gradient(machine: Machine, call: Call) -> Value:
    """`tf.custom_gradient(f)`: a function that gives what `f` gives before the gradient's function."""
    return machine.new("custom_gradient", call)


def with_own_gradient(machine: Machine, call: Call) -> Value:
    """A call of such a function."""
    made = receiver(call)
    function = UNKNOWN if made is None else made.config("f")
    pair = machine.elements(machine.call(function, call.rest, call.extra))
    if pair is None or len(pair) != 2:
        return machine.emit("unknown_call", {str(i): value for i, value in enumerate(call.rest)}, call=call)
    given = {str(i): value for i, value in enumerate(call.rest)} | dict(call.extra)

    def result(computed: Value) -> Value:
        if isinstance(computed, Items):
            return Items(tuple(map(result, computed.items)), computed.kind)
        return machine.emit("custom_gradient", {**given, "computed": computed}, call=call)

    return result(pair[0])


def checked(machine: Machine, call: Call) -> Value:
    """A check for NaN that hands nothing on, of one tensor or of all: an op that says so."""
    machine.emit("check_numerics", {"x": call.arg("x")}, call=call)
    return NONE


def argument(name: str) -> Handler:
    """A call that gives one of its arguments back."""
    return lambda machine, call: call.arg(name)


api("tf.map_fn tf.vectorized_map", mapped, "fn elems")
api("keras.ops.map", mapped, "f:fn xs:elems")
api("keras.ops.vectorized_map", mapped, "function:fn elements:elems")
api("keras.backend.map_fn", mapped, "fn elems name dtype")
api("tf.while_loop", while_loop, "cond body loop_vars")
api("keras.ops.while_loop", while_loop, "cond body loop_vars maximum_iterations")
api("keras.ops.fori_loop", for_loop, "lower upper body_fun:fn init_val:init")
api("tf.scan", scanned, "fn elems initializer")
api("keras.ops.scan", carried, "f:fn init xs:elems length reverse unroll")
api("tf.foldl tf.foldr", folded, "fn elems initializer")
api("keras.backend.foldl keras.backend.foldr", folded, "fn elems initializer name")
api("tf.case", chosen, "pred_fn_pairs:branches default exclusive strict name")
api("tf.switch_case", chosen, "branch_index branch_fns:branches default name")
api("tf.custom_gradient", own_gradient, "f")
api("custom_gradient.__call__", with_own_gradient, "self")
api("tf.recompute_grad", argument("f"), "f")

# What orders or checks computations and computes nothing. What an assertion leaves is the walk's business.
api("tf.group tf.no_op tf.control_dependencies", harmless, "")
_ASSERTED = (
    "equal none_equal less less_equal greater greater_equal near positive negative non_negative non_positive "
    "integer rank rank_at_least rank_in scalar type same_float_dtype"
)
for _module in ("tf", "tf.debugging"):
    api(" ".join(f"{_module}.assert_{_name}" for _name in _ASSERTED.split()), harmless, "")
api("tf.debugging.assert_shapes", harmless, "")
api("tf.Assert tf.debugging.Assert", harmless, "")
api("tf.debugging.assert_all_finite", checked, "x message name")
api("tf.debugging.enable_check_numerics", checked, "stack_height_limit path_length_limit")
api("tf.debugging.disable_check_numerics", harmless, "")
