"""Lengths of the axes between batch and channels, behind convolutions, pooling and resizing.

Channels last, as elsewhere; a layer that is told otherwise leaves the lengths unknown. The formulas are those
of `compute_output_shape` of Keras 3.15 (`tests/test_spatial.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeGuard

from tflint_nan.ops.handlers import text
from tflint_nan.ops.points import integers
from tflint_nan.value import NONE, Object, Op, Shape, Value

Lengths = tuple[int | None, ...]
#: From the length of an axis, and the window, stride and dilation along it, to its length behind the layer.
_Length = Callable[[int, int, int, int], int]


def _same(n: int, window: int, stride: int, dilation: int) -> int:
    return -(-n // stride)


def _valid(n: int, window: int, stride: int, dilation: int) -> int:
    return max((n - dilation * (window - 1) - 1) // stride + 1, 0)


def _same_back(n: int, window: int, stride: int, dilation: int) -> int:
    return n * stride


def _valid_back(n: int, window: int, stride: int, dilation: int) -> int:
    return n * stride + max(window - stride, 0)


_PADDED = {"same": _same, "causal": _same, "valid": _valid}
_PADDED_BACK = {"same": _same_back, "valid": _valid_back}


def convolved(shape: Shape, layer: Value, channels: int | None) -> Shape:
    """The shape behind a convolution, or a transposed one."""
    if shape is None or len(shape) < 2:
        return None
    count = len(shape) - 2
    lengths: Lengths = (None,) * count
    if _is_channels_last(layer):
        window, stride, dilation = (
            _each(layer.config(name), count, default)
            for name, default in (("kernel_size", None), ("strides", 1), ("dilation_rate", 1))
        )
        back = "Transpose" in layer.api
        if not back:
            lengths = _through(_PADDED, layer, shape, window, stride, dilation)
        elif layer.config("output_padding") is NONE and set(dilation) == {1}:
            lengths = _through(_PADDED_BACK, layer, shape, window, stride, dilation)
    return (shape[0], *lengths, channels)


def pooled(shape: Shape, layer: Value) -> Shape:
    """The shape behind a pooling layer that has a window."""
    if shape is None or len(shape) < 3:
        return None
    count = len(shape) - 2
    lengths: Lengths = (None,) * count
    if _is_channels_last(layer) and "Adaptive" not in layer.api and layer.config("kernel_size") is NONE:
        window = _each(layer.config("pool_size"), count, 2)
        stride = window if layer.config("strides") is NONE else _each(layer.config("strides"), count, None)
        lengths = _through(_PADDED, layer, shape, window, stride, (1,) * count)
    return (shape[0], *lengths, shape[-1])


def resized(shape: Shape, op: Op) -> Shape:
    """The shape behind a layer `UpSampling1D` to `UpSampling3D`, and behind `tf.image.resize(images, size)`.

    Of anything else that resizes, the rank.
    """
    if not shape:
        return None
    layer, size = op.arg("layer"), integers(op.arg("size"))
    if len(shape) > 2 and _is_channels_last(layer) and "UpSampling" in layer.api:
        times = _each(layer.config("size"), len(shape) - 2, 2)
        lengths = (_product(n, factor) for n, factor in zip(shape[1:-1], times, strict=True))
        return (shape[0], *lengths, shape[-1])
    exact = op.arg("preserve_aspect_ratio").literal in (None, False)
    if size is not None and len(size) == 2 and len(shape) in (3, 4) and exact:
        return (*shape[:-3], *size, shape[-1])
    return (None,) * len(shape)


def _is_channels_last(layer: Value) -> TypeGuard[Object]:
    """Whether a layer is one of Keras that has its channels last, with none of the names of Keras 1."""
    if not isinstance(layer, Object) or not layer.api.startswith("keras.layers."):
        return False
    old = "Convolution" in layer.api or layer.config("border_mode") is not NONE
    return not old and layer.config("data_format").literal in (None, "channels_last")


def _each(given: Value, count: int, default: int | None) -> Lengths:
    """A setting for each axis: one number for all of them, or one of their own."""
    if given is NONE:
        return (default,) * count
    named = integers(given)
    if named is None or len(named) not in (1, count):
        return (None,) * count
    return named * count if len(named) == 1 else named


def _through(
    forms: Mapping[str, _Length],
    layer: Object,
    shape: Lengths,
    window: Lengths,
    stride: Lengths,
    dilation: Lengths,
) -> Lengths:
    padding = "valid" if layer.config("padding") is NONE else text(layer.config("padding"))
    form = forms.get(padding.lower()) if padding is not None else None
    if form is None:
        return (None,) * len(window)
    return tuple(
        None if n is None or w is None or s is None or s < 1 or d is None else form(n, w, s, d)
        for n, w, s, d in zip(shape[1:-1], window, stride, dilation, strict=True)
    )


def _product(n: int | None, times: int | None) -> int | None:
    return None if n is None or times is None else n * times
