"""Numbers by their places: scattered, grouped, sorted out, counted; sparse and ragged tensors.

A sparse tensor is read as the dense one it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from tflint_nan.interval import INTEGERS, NON_NEGATIVE, UNIT, Interval, largest
from tflint_nan.ops import shapes
from tflint_nan.ops.bounds import bounded, unshaped
from tflint_nan.ops.names import both
from tflint_nan.ops.points import (
    dimensions,
    dtype_named,
    dtype_of,
    facts,
    fresh,
    integer,
    is_given,
    joined_facts,
)
from tflint_nan.ops.reductions import mean_range, sum_range
from tflint_nan.ops.table import APIS, Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import Const, Items, Op, Value, Witness

_INF = math.inf
_ZERO = Interval(0.0, 0.0)

# ---- places and counts


@operator("index", differentiable=False)
def _index(op: Op) -> Facts:
    """Places of elements: whole numbers from 0."""
    dtype = dtype_named(op.arg("dtype"), op.api)
    if dtype is None and op.arg("x").dtype in INTEGERS:
        dtype = op.arg("x").dtype
    dtype = dtype or ("int64" if op.api.startswith("np.") else "int32")
    return Facts(Interval(0.0, float(INTEGERS[dtype][1] if dtype in INTEGERS else 2**63 - 1)), (), dtype)


@operator("argsort", differentiable=False)
def _argsort(op: Op) -> Facts:
    """The order of the elements along an axis."""
    x, axis = op.arg("x"), op.arg("axis")
    place = integer(axis) if is_given(axis) else -1
    n = x.shape[place] if x.shape and place is not None and -len(x.shape) <= place < len(x.shape) else None
    dtype = "int64" if op.api.startswith("np.") else "int32"
    shape = x.shape if is_given(axis) or not op.api.startswith("np.") else None
    return Facts(Interval(0.0, float(n - 1 if n else 2**31 - 1)), (), dtype, shape)


@operator("count", differentiable=False)
def _count(op: Op) -> Facts:
    """How many there are of each kind: 0 of one that does not occur; with weights, their sums."""
    weights = op.arg("weights")
    dtype = dtype_named(op.arg("dtype"), op.api) or (
        weights.dtype if is_given(weights) else "int64" if op.api.startswith("np.") else "int32"
    )
    if is_given(weights):
        interval = sum_range(weights.interval.stored(dtype), None, dtype).hull(_ZERO)
        return Facts(interval, fresh(op, 0.0), dtype)
    least = 1.0 if op.arg("occurring").literal is True else 0.0
    return Facts(Interval(least, _INF), () if least else fresh(op, 0.0), dtype)


# ---- groups


@operator("segment", flow=("x",))
def _segment(op: Op) -> Facts:
    """Means or extremes of groups of rows. What an empty group gives is the argument `empty`.

    It is 0, save for extremes over groups that are not sorted: the format's own end (`lowest`, `highest`).
    Keras's functions take `sorted`, and then it is 0, too.
    """
    x, empty = op.arg("x"), op.arg("empty").literal
    dtype = x.dtype
    bounds = x.interval.stored(dtype)
    if op.arg("reduction").literal == "mean":
        bounds = mean_range(bounds, None, dtype)
    top = largest(dtype)
    lowest = float(INTEGERS[dtype][0]) if dtype in INTEGERS else -top
    outside = {"lowest": lowest, "highest": top}.get(str(empty), 0.0)
    if is_given(op.arg("sorted")) and op.arg("sorted").literal is not False:
        bounds = bounds.hull(_ZERO)
    return facts(bounds.hull(Interval(outside, outside)), x.witnesses, dtype)


@operator("segment_sum")
def _segment_sum(op: Op) -> Facts:
    """Sums over groups of rows, perhaps over roots of their numbers; an empty group is 0."""
    x = op.arg("x")
    interval = Interval(0.0 if x.interval.lo >= 0.0 else -_INF, 0.0 if x.interval.hi <= 0.0 else _INF)
    return facts(interval, [w for w in x.witnesses if w.value == 0.0], x.dtype, dimensions(op.arg("shape")))


@operator("segment_prod")
def _segment_prod(op: Op) -> Facts:
    """Products over groups of rows; an empty group is 1, or 0 where the groups are sorted."""
    x = op.arg("x")
    lo, hi = x.interval.lo, x.interval.hi
    interval = UNIT if lo >= 0.0 and hi <= 1.0 else NON_NEGATIVE if lo >= 0.0 else Interval(-_INF, _INF)
    kept = [w for w in x.witnesses if w.value in (0.0, 1.0)]
    return facts(interval.stored(x.dtype), kept, x.dtype)


_SEGMENT = "data:x segment_ids name"
_UNSORTED = "data:x segment_ids num_segments name"
for _name in ("sum", "prod"):
    both(f"segment_{_name}", f"segment_{_name}", _SEGMENT)
    both(f"segment_{_name}", f"unsorted_segment_{_name}", _UNSORTED)
both("segment_sum", "unsorted_segment_sqrt_n", _UNSORTED)
for _name, _empty in (("mean", "zero"), ("max", "lowest"), ("min", "highest")):
    for _start, _params, _outside in (("", _SEGMENT, "zero"), ("unsorted_", _UNSORTED, _empty)):
        _names = f"tf.{_start}segment_{_name} tf.math.{_start}segment_{_name}"
        api(_names, "segment", _params, empty=Const(_outside), reduction=Const(_name))
for _place, _params in (
    ("tf.sparse.segment", "data:x indices segment_ids num_segments name"),
    ("tf.sparse_segment", "data:x indices segment_ids name num_segments"),
):
    api(f"{_place}_mean", "segment", _params, empty=Const("zero"), reduction=Const("mean"))
    api(f"{_place}_sum {_place}_sqrt_n", "segment_sum", _params)

# ---- scattering


def _certain(value: Value) -> tuple[Witness, ...]:
    """Numbers that elements have wherever they stand: not those of single places of a literal array."""
    return tuple(w for w in value.witnesses if w.inputs or value.interval.is_point)


@operator("scatter", flow=("x", "updates"))
def _scatter(op: Op) -> Facts:
    """Some elements replaced, or compared with others: numbers of both."""
    x, updates = op.arg("x"), op.arg("updates")
    dtype = dtype_of(op, x, updates)
    both_values = joined_facts([x, updates], dtype)
    return facts(both_values.interval, (*_certain(x), *_certain(updates)), dtype, x.shape)


@operator("scatter_add")
def _scatter_add(op: Op) -> Facts:
    """Any number of updates added to an element (or taken from it, `sign` -1)."""
    x, updates = op.arg("x"), op.arg("updates")
    dtype = dtype_of(op, x, updates)
    added = sum_range(updates.interval.stored(dtype), None, dtype).hull(_ZERO)
    if op.arg("sign").literal == -1:
        added = Interval(-added.hi, -added.lo)
    start = x.interval.stored(dtype)
    lo, hi = start.lo + added.lo, start.hi + added.hi
    interval = Interval(-_INF if lo != lo else lo, _INF if hi != hi else hi)
    return Facts(interval.stored(dtype), (), dtype, x.shape)


_SCATTERED = "tensor:x indices updates bad_indices_policy name"
for _name in ("update", "max", "min"):
    api(
        f"tf.tensor_scatter_nd_{_name}",
        "scatter",
        _SCATTERED if _name != "update" else "tensor:x indices updates name",
    )
api("tf.tensor_scatter_update", "scatter", "tensor:x indices updates name")
api("tf.tensor_scatter_nd_add tf.tensor_scatter_add", "scatter_add", _SCATTERED)
api("tf.tensor_scatter_nd_sub tf.tensor_scatter_sub", "scatter_add", _SCATTERED, sign=Const(-1))
api("tf.scatter_nd", "segment_sum", "indices updates:x shape bad_indices_policy name")


def stateful(operator_name: str, **fixed: Value) -> Handler:
    """`scatter_update(ref, indices, updates)`: a variable that the program sets."""

    def emit(machine: Machine, call: Call) -> Value:
        variable = call.arg("variable")
        args = {"x": variable, "updates": call.arg("updates"), **fixed}
        value = machine.emit(operator_name, args, call=call)
        return machine.emit("assign", {"variable": variable, "x": value}, call=call)

    return emit


bounded("scatter_mul", Interval(-_INF, _INF), "x", "updates", shape=lambda x, updates: x)
_REF = "ref:variable indices updates use_locking name"
for _target, _fixed, _names in (
    ("scatter", {}, "scatter_update scatter_nd_update batch_scatter_update scatter_max scatter_min"),
    ("scatter_add", {}, "scatter_add scatter_nd_add"),
    ("scatter_add", {"sign": Const(-1)}, "scatter_sub scatter_nd_sub"),
    ("scatter_mul", {}, "scatter_mul scatter_div"),
):
    api(" ".join(f"tf.{_name}" for _name in _names.split()), stateful(_target, **_fixed), _REF)

# ---- parts and places


def partition(machine: Machine, call: Call) -> Value:
    """`dynamic_partition(data, partitions, num_partitions)`: so many tensors of the rows."""
    count = integer(call.arg("num"))
    if count is None or not 0 < count <= shapes.MAX_PARTS:
        return machine.emit("gather", {"x": call.arg("x")}, call=call)
    return Items(tuple(machine.emit("gather", {"x": call.arg("x")}, call=call) for _ in range(count)), "list")


def stitch(machine: Machine, call: Call) -> Value:
    """`dynamic_stitch(indices, data)`: the rows of several tensors in one."""
    together = machine.emit("concat", {"values": call.arg("values")}, call=call)
    return machine.emit("gather", {"x": together}, call=call)


#: Operators that ask nothing of the elements that they count or number.
_OWN: Mapping[str, Mapping[str, Value]] = {"index": {}, "count": {"occurring": Const(True)}}


def parts(*operators: str) -> Handler:
    """A call that returns a tuple: its argument through these operators."""

    def emit(machine: Machine, call: Call) -> Value:
        x: dict[str, Value] = {"x": call.arg("x")}
        return Items(tuple(machine.emit(name, _OWN.get(name, x), call=call) for name in operators))

    return emit


def each(target: str) -> Handler:
    """A call over a list, which returns the list of its elements' results."""

    def emit(machine: Machine, call: Call) -> Value:
        found = machine.elements(call.arg("values"))
        if found is None:
            return machine.emit("unknown_call", {"0": call.arg("values")}, call=call)
        return Items(tuple(machine.emit(target, {"x": value}, call=call) for value in found), "list")

    return emit


def meshgrid(machine: Machine, call: Call) -> Value:
    """`meshgrid(*vectors)`: each one repeated along the others."""
    return Items(tuple(machine.emit("tile", {"x": value}, call=call) for value in call.rest), "list")


def is_grid(op: Op) -> bool:
    """Whether an op gives the coordinates of points that are laid out along each of several axes."""
    known = APIS.get(op.api)
    return known is not None and (known.target is meshgrid or known.name == "np.indices")


def unique(machine: Machine, call: Call) -> Value:
    """NumPy's `unique`: the values; with them, places and counts where they are asked for."""
    made = [machine.emit("gather", {"x": call.arg("x")}, call=call)]
    for name, target in (("return_index", "index"), ("return_inverse", "index"), ("return_counts", "count")):
        if is_given(call.arg(name)) and call.arg(name).literal is not False:
            made.append(machine.emit(target, {"occurring": Const(True)}, call=call))
    return made[0] if len(made) == 1 else Items(tuple(made))


api("tf.dynamic_partition", partition, "data:x partitions num_partitions:num name")
api("tf.dynamic_stitch", stitch, "indices data:values name")
api("tf.unique", parts("gather", "index"), "x out_idx name")
api("tf.unique_with_counts", parts("gather", "index", "count"), "x out_idx name")
api("tf.setdiff1d", parts("gather", "index"), "x y index_dtype name")
api("tf.meshgrid np.meshgrid", meshgrid, "")
api("tf.identity_n", each("identity"), "input:values name")
api("tf.tuple", each("identity"), "tensors:values control_inputs name")
api("tf.argsort", "argsort", "values:x axis direction stable name")
api("tf.searchsorted", "index", "sorted_sequence values side out_type:dtype name")
api("tf.unravel_index", "index", "indices:x dims name")
api("tf.random_index_shuffle", "index", "index:x seed max_index rounds name")
both("index", "invert_permutation", "x name")
api("tf.histogram_fixed_width_bins", "index", "values value_range nbins dtype name")
api("tf.histogram_fixed_width", "count", "values value_range nbins dtype name")
both("count", "bincount", "arr weights minlength maxlength dtype name axis binary_output")
api("tf.math.confusion_matrix", "count", "labels predictions num_classes weights dtype name")
api("tf.confusion_matrix", "count", "labels predictions num_classes dtype name weights")
_TOP = "operand:x k reduction_dimension recall_target reduction_input_size_override aggregate_to_topk name"
for _module in ("tf.math", "tf.nn"):
    api(f"{_module}.approx_max_k {_module}.approx_min_k", shapes.top_k, _TOP)
api("tf.approx_top_k", shapes.top_k, "input:x k")
for _name in ("is_non_decreasing", "is_strictly_increasing"):
    api(f"tf.{_name} tf.math.{_name}", "mask", "x name", dtype=Const("bool"))
api("tf.batch_gather", "gather", "params:x indices name")
api("tf.reverse_sequence", "reverse", "input:x seq_lengths seq_axis batch_axis name seq_dim batch_dim")
api("tf.parallel_stack", "stack", "values name")
api("tf.guarantee_const", "identity", "input:x name")
api("tf.verify_tensor_all_finite", "identity", "t:x msg name x message")
api("tf.space_to_batch tf.space_to_batch_nd tf.nn.space_to_batch", "pad", "input:x block_shape")
api("tf.batch_to_space", "gather", "input:x block_shape crops name")
api("tf.batch_to_space_nd", "gather", "input:x block_shape crops name")
_PATCHES = "ksizes strides rates padding name sizes"
api("tf.extract_image_patches tf.image.extract_image_patches", "pad", f"images:x {_PATCHES}")
api("tf.image.extract_patches", "pad", "images:x sizes strides rates padding name")
api("tf.extract_volume_patches", "pad", "input:x ksizes strides padding name")
bounded("bitcast", Interval(-_INF, _INF), "x", shape=unshaped, differentiable=False)
api("tf.bitcast", "bitcast", "input:x type:dtype name")
bounded("edit_distance", NON_NEGATIVE, shape=unshaped, dtype="float32", differentiable=False)
api("tf.edit_distance", "edit_distance", "hypothesis truth normalize name")
for _complex in ("complex64", "complex128"):
    api(f"tf.to_{_complex}", "cast", "x name", dtype=Const(_complex))

# ---- sparse tensors


@operator("sparse", flow=("values",))
def _sparse(op: Op) -> Facts:
    """The values at their places; every other place is 0."""
    values = op.arg("values")
    leaves = list(values.items) if isinstance(values, Items) else [values]
    result = joined_facts([*leaves, Const(0.0)], dtype_of(op, *leaves))
    return facts(result.interval, result.witnesses, result.dtype, dimensions(op.arg("shape")))


api("tf.SparseTensor tf.sparse.SparseTensor", "sparse", "indices values dense_shape:shape")
api("tf.sparse.from_dense", "identity", "tensor:x name")
_TO_DENSE = "sp_input:x default_value:constant_values validate_indices name"
api("tf.sparse.to_dense tf.sparse_tensor_to_dense", "pad", _TO_DENSE)
api("tf.sparse_to_dense", "sparse", "sparse_indices output_shape:shape sparse_values:values default_value")
api("tf.sparse.eye", "eye", "num_rows num_columns dtype name")
for _module in ("tf.sparse.", "tf.sparse_"):
    api(f"{_module}add", "add", "a:x b:y threshold")
    api(f"{_module}maximum", "maximum", "sp_a:x sp_b:y name")
    api(f"{_module}minimum", "minimum", "sp_a:x sp_b:y name")
    api(f"{_module}softmax", "sparse_softmax", "sp_input:x name")
    _REDUCED = "sp_input:x axis keepdims"
    api(f"{_module}reduce_sum", "sum", _REDUCED)
    api(f"{_module}reduce_max", "max", _REDUCED)
    api(f"{_module}reshape", "reshape", "sp_input:x shape name")
    api(f"{_module}transpose", "transpose", "sp_input:x perm name")
    api(f"{_module}slice", "gather", "sp_input:x start size name")
    api(f"{_module}retain", "gather", "sp_input:x to_retain")
    api(f"{_module}mask", "gather", "a:x mask_indices name")
    api(f"{_module}reorder", "identity", "sp_input:x name")
api("tf.sparse.expand_dims", "expand_dims", "sp_input:x axis name")
api("tf.sparse.concat", "concat", "axis sp_inputs:values expand_nonconcat_dims name")
api("tf.sparse_concat", "concat", "axis sp_inputs:values name expand_nonconcat_dim concat_dim:axis")
api("tf.sparse.split", shapes.split, "sp_input:x num_split:num axis name")
api("tf.sparse.bincount", "count", "values weights axis minlength maxlength binary_output name")
api("tf.sparse_matmul", "matmul", "a:x b:y transpose_a transpose_b a_is_sparse b_is_sparse name")
api("tf.sparse.placeholder", "placeholder", "dtype shape name")

bounded("sparse_softmax", UNIT, "x")

# ---- ragged tensors

api("tf.ragged.constant", "constant", "pylist:value dtype")
api("tf.ragged.stack", "stack", "values axis name")
api("tf.ragged.boolean_mask", "gather", "data:x mask name")
api("tf.ragged.stack_dynamic_partitions", "gather", "data:x partitions num_partitions name")
for _name in ("row_lengths", "row_splits", "value_rowids", "row_starts", "row_limits"):
    api(f"tf.RaggedTensor.from_{_name}", "gather", f"values:x {_name}")
