"""Where programs put tensors to find them again: collections of a graph, and `TensorArray`."""

from __future__ import annotations

from tflint_nan.ops.control import joined
from tflint_nan.ops.handlers import receiver
from tflint_nan.ops.losses_v1 import collection
from tflint_nan.ops.table import CONSTANTS, Call, Handler, Machine, api
from tflint_nan.ops.widening import covers, widened
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Object, Value

for _name in ("LOSSES", "REGULARIZATION_LOSSES"):
    CONSTANTS[f"tf.GraphKeys.{_name}"] = Const(_name.lower())


def add(machine: Machine, call: Call) -> Value:
    """`add_to_collection(name, value)`, under one name or several."""
    names = machine.elements(call.arg("name"))
    kept = collection(machine)
    for name in [call.arg("name")] if names is None else names:
        if isinstance(name.literal, str):
            known = kept.attrs.get(name.literal)
            items = known.items if isinstance(known, Items) else ()
            machine.set(kept, name.literal, Items((*items, call.arg("x")), "list"))
    return NONE


def get(machine: Machine, call: Call) -> Value:
    """`get_collection(name)`: what this program put there; libraries may have put more."""
    known = collection(machine).attrs.get(str(call.arg("name").literal))
    return Items(known.items, "list", complete=False) if isinstance(known, Items) else UNKNOWN


def write(machine: Machine, call: Call) -> Value:
    """`array.write(i, value)`: the array, in which any element may be what was ever written."""
    array = receiver(call)
    if array is not None:
        _put(machine, call, array, call.arg("x"))
    return call.arg("self")


def unstack(machine: Machine, call: Call) -> Value:
    """`array.unstack(values)`: the array with the rows of a tensor."""
    array = receiver(call)
    if array is not None:
        _put(machine, call, array, machine.emit("slice", {"x": call.arg("x"), "index": UNKNOWN}, call=call))
    return call.arg("self")


def _put(machine: Machine, call: Call, array: Object, value: Value) -> None:
    before = array.attrs.get("element")
    if before is not None:
        value = joined(machine, call, before, value)
        if not covers(before, value):
            value = widened(before, value)  # the next turn of a loop may write as much more
    machine.set(array, "element", value)


def read(machine: Machine, call: Call) -> Value:
    """`array.read(i)`: any of the elements."""
    array = receiver(call)
    return UNKNOWN if array is None else array.attrs.get("element", UNKNOWN)


def together(name: str) -> Handler:
    """`array.stack()`, `array.concat()`: the elements as one tensor."""

    def handler(machine: Machine, call: Call) -> Value:
        element = read(machine, call)
        return element if element is UNKNOWN else machine.emit(name, {"values": element}, call=call)

    return handler


api("tf.add_to_collection", add, "name value:x")
api("tf.add_to_collections", add, "names:name value:x")
api("tf.get_collection", get, "key:name scope")
api("tf.get_collection_ref", get, "key:name")
api("tf.TensorArray", lambda machine, call: machine.new("tensor_array", call), "dtype size dynamic_size")
api("tensor_array.write", write, "self index value:x name")
api("tensor_array.unstack", unstack, "self value:x name")
api("tensor_array.scatter", unstack, "self indices value:x name")
api("tensor_array.split", unstack, "self value:x lengths name")
api("tensor_array.read", read, "self index name")
api("tensor_array.stack", together("stack"), "self name")
api("tensor_array.gather", together("stack"), "self indices name")
api("tensor_array.concat", together("concat"), "self name")
api("tensor_array.identity", lambda machine, call: call.arg("self"), "self")
