"""Tables, and the scalers and encoders of scikit-learn.

A data frame is a tensor: the op `csv` reads it, subscripts by column name give a `column`.
"""

from __future__ import annotations

import re

from tflint_nan.interval import Interval
from tflint_nan.ops.data import PIXELS, normalise
from tflint_nan.ops.handlers import float_dtype, number, receiver, text, unknown
from tflint_nan.ops.points import facts, fresh, integer, is_given
from tflint_nan.ops.table import Call, Facts, Machine, api, operator
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Object, Op, Value

#: Path names of tables of pixels.
_PIXEL_TABLE = re.compile(r"mnist|cifar|digit[-_ ]?recogni[sz]er", re.IGNORECASE)


@operator("csv")
def _csv(op: Op) -> Facts:
    """A table; one of pixels where its path names a set of images (labels lie in the range too)."""
    path = text(op.arg("path"))
    if path is None or not _PIXEL_TABLE.search(path):
        return Facts()
    return Facts(PIXELS, fresh(op, 0.0, 255.0), "int64")


@operator("column")
def _column(op: Op) -> Facts:
    """One column of a table: features or labels, which is not known."""
    return Facts()


@operator("scaled")
def _scaled(op: Op) -> Facts:
    """Data that a scaler has normalised; `low` and `high` where it guarantees a range."""
    dtype = float_dtype(op, "x")
    low, high = number(op.arg("low")), number(op.arg("high"))
    if low is None or high is None or low > high:
        return Facts(dtype=dtype, shape=op.arg("x").shape)
    return facts(Interval(low, high), fresh(op, low, high), dtype, op.arg("x").shape)


# Scalers.


def make_scaler(machine: Machine, call: Call) -> Value:
    """A scaler of scikit-learn, before it has seen data."""
    return machine.new("scaler", call)


def itself(machine: Machine, call: Call) -> Value:
    """A method that returns its object."""
    return call.arg("self")


def transform(machine: Machine, call: Call) -> Value:
    """`scaler.transform(x)`: scaled by what other data said, so no range is guaranteed."""
    return machine.emit("scaled", {"x": call.arg("x")}, call=call)


def fit_transform(machine: Machine, call: Call) -> Value:
    """`scaler.fit_transform(x)`: in the scaler's own range."""
    scaler, args = receiver(call), {"x": call.arg("x")}
    if scaler is not None and scaler.api == "sklearn.preprocessing.MinMaxScaler":
        ends = scaler.config("feature_range")
        known = ends.items if isinstance(ends, Items) and len(ends.items) == 2 else (UNKNOWN, UNKNOWN)
        args["low"], args["high"] = known if is_given(ends) else (Const(0), Const(1))
    return machine.emit("scaled", args, call=call)


def encode(machine: Machine, call: Call) -> Value:
    """An encoder's zeros and ones."""
    return machine.emit("one_hot", {"x": call.arg("x")}, call=call)


def number_classes(machine: Machine, call: Call) -> Value:
    """`LabelEncoder().fit_transform(y)`: numbers of classes."""
    return machine.emit("class_ids", {"source": call.arg("x")}, call=call)


def make_label_encoder(machine: Machine, call: Call) -> Value:
    """An encoder of scikit-learn that numbers classes."""
    return machine.new("label_encoder", call)


def make_encoder(machine: Machine, call: Call) -> Value:
    """An encoder of scikit-learn that gives zeros and ones."""
    return machine.new("encoder", call)


def split(machine: Machine, call: Call) -> Value:
    """`train_test_split(x, y, ...)`: two parts of each array."""
    arrays = [value for value in (call.arg("x"), *call.rest) if value is not NONE]
    if not call.complete:
        return UNKNOWN
    return Items(tuple(_part(machine, call, array) for array in arrays for _ in range(2)), "list")


def _part(machine: Machine, call: Call, array: Value) -> Value:
    if isinstance(array, (Items, Object)):
        return unknown(machine, array, call=call)
    return machine.emit("slice", {"x": array}, call=call)


# Tables.


def is_column(value: Value, index: Value) -> bool:
    """True where a subscript of a tensor names one column of a table: by a string, or by its number in
    what `read_csv` gave."""
    parts = index.items if isinstance(index, Items) and index.kind == "tuple" else (index,)
    if not parts:
        return False
    if isinstance(parts[-1].literal, str):
        return True
    return len(parts) == 2 and integer(parts[1]) is not None and value.made_by("csv") is not None


def the_table(machine: Machine, call: Call) -> Value:
    """`frame.values`, `frame.loc`, `frame.drop(...)`: the same numbers, some of them or rearranged."""
    return machine.emit("slice", {"x": call.arg("self")}, call=call)


def a_column(machine: Machine, call: Call) -> Value:
    """`frame.pop("label")`: one column."""
    return machine.emit("column", {"x": call.arg("self"), "index": call.arg("item")}, call=call)


#: What pandas computes of each group by this name, besides what is not followed.
_SPREADS = {"std": "std", "var": "variance"}


def of_groups(machine: Machine, call: Call) -> Value:
    """`groups.transform("std")`: the spread of the group that each row is in, one feature by another.

    Whatever else has a method of this name is not known.
    """
    spread = _SPREADS.get(str(call.arg("function").literal))
    if spread is None:
        return unknown(machine, *call.args.values(), *call.rest, *call.extra.values(), call=call)
    return machine.emit(spread, {"x": call.arg("x"), "axis": Const(0), "keepdims": Const(True)}, call=call)


api("sklearn.preprocessing.MinMaxScaler", make_scaler, "feature_range")
api(
    "sklearn.preprocessing.StandardScaler sklearn.preprocessing.RobustScaler "
    "sklearn.preprocessing.MaxAbsScaler sklearn.preprocessing.Normalizer "
    "sklearn.preprocessing.QuantileTransformer sklearn.preprocessing.PowerTransformer",
    make_scaler,
    "",
)
api("scaler.fit scaler.partial_fit", itself, "self X:x y")
api("scaler.transform", transform, "self X:x")
api("scaler.fit_transform", fit_transform, "self X:x y")
api("scaler.inverse_transform", "unknown_call", "self X:0")
api(
    "sklearn.preprocessing.scale sklearn.preprocessing.normalize sklearn.preprocessing.minmax_scale "
    "sklearn.preprocessing.robust_scale",
    normalise,
    "X:x",
)
api(
    "sklearn.preprocessing.OneHotEncoder sklearn.preprocessing.LabelBinarizer",
    make_encoder,
    "",
)
api("encoder.fit", itself, "self y:x X:x")
api("encoder.transform encoder.fit_transform", encode, "self y:x X:x")
api("sklearn.preprocessing.LabelEncoder", make_label_encoder, "")
api("label_encoder.fit", itself, "self y:x")
api("label_encoder.transform label_encoder.fit_transform", number_classes, "self y:x")
api("pd.get_dummies", "one_hot", "data:x")
api("sklearn.model_selection.train_test_split sklearn.cross_validation.train_test_split", split, "x")

api("pd.read_csv pd.read_table", "csv", "filepath_or_buffer:path sep")
api("np.loadtxt np.genfromtxt", "csv", "fname:path dtype")
api("tensor.values tensor.loc tensor.iloc tensor.ix", the_table, "self")
api(
    "tensor.drop tensor.sample tensor.reset_index tensor.to_numpy tensor.as_matrix tensor.head tensor.tail "
    "tensor.dropna tensor.convert",
    the_table,
    "self labels axis",
)
api("tensor.transform", of_groups, "self:x func:function")
api("tensor.pop", a_column, "self item")
