"""Methods and attributes of tensors, arrays and data frames, by the name `tensor.method`."""

from __future__ import annotations

from tflint_nan.ops import shapes
from tflint_nan.ops.names import entries
from tflint_nan.ops.table import api
from tflint_nan.value import Const

# ---- reductions

for _entry in ["sum", "prod"]:
    api(f"tensor.{_entry}", _entry, "self:x axis dtype out keepdims")
api("tensor.mean", "mean", "self:x axis dtype out keepdims")
api("tensor.std", "std", "self:x axis dtype out ddof keepdims")
api("tensor.var", "variance", "self:x axis dtype out ddof keepdims")
for _name in ("max", "min", "any", "all"):
    api(f"tensor.{_name}", _name, "self:x axis out keepdims")
api("tensor.argmax", "argmax", "self:x axis out")
api("tensor.argmin", "argmin", "self:x axis out")
api("tensor.cumsum", "cumsum", "self:x axis dtype out")
api("tensor.median", "mean", "self:x axis", middle=Const(True))

# ---- element by element

api("tensor.clip", "clip", "self:x min max out lower:min upper:max a_min:min a_max:max")
api("tensor.round", "round", "self:x decimals out")
api("tensor.abs", "abs", "self:x out")
api("tensor.dot", "matmul", "self:x b:y out")
api("tensor.astype", "cast", "self:x dtype order casting subok copy")
api("tensor.fillna", shapes.filled, "self:x value method axis inplace")
for _operator, _short in entries("div div:truediv mul mul:multiply add sub sub:subtract pow"):
    api(f"tensor.{_short}", _operator, "self:x other:y axis")

# ---- shapes

api("tensor.reshape", shapes.reshape, "self:x shape")
api("tensor.transpose", shapes.transpose, "self:x perm")
api("tensor.T", "transpose", "self:x")
api("tensor.flat", "gather", "self:x")
api("tensor.flatten tensor.ravel", "reshape", "self:x order", shape=Const(-1))
api("tensor.squeeze", "squeeze", "self:x axis")
api("tensor.repeat", "tile", "self:x repeats axis")
api("tensor.take", "gather", "self:x indices axis out")
api("tensor.swapaxes", "swap", "self:x axis1 axis2")
api("tensor.copy", shapes.as_it_is, "self:x order deep")
api("tensor.view", shapes.as_it_is, "self:x dtype")

# ---- from a tensor to numbers

api("tensor.read_value tensor.value", shapes.as_it_is, "self:x")
api("tensor.numpy tensor.item", "stop_gradient", "self:x")
api("tensor.set_shape", shapes.nothing, "self:x shape")
api("tensor.shape tensor.get_shape", shapes.shape, "self:x")
api("tensor.ndim", shapes.rank, "self:x")
api("tensor.dtype", shapes.dtype, "self:x")
api("tensor.size", "size", "self:x")

# ---- data frames: other rows of the same numbers

api("tensor.iat tensor.at", "gather", "self:x")
api("tensor.sort_values", "gather", "self:x by axis ascending")
api("tensor.drop_duplicates", "gather", "self:x subset keep")
api("tensor.set_index tensor.rename tensor.to_frame", "gather", "self:x index")
