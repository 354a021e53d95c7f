"""Preprocessing layers: images moved and shaded at random, words and numbers as classes."""

from __future__ import annotations

from tflint_nan.interval import EVERYTHING, NON_NEGATIVE, UNIT, Interval
from tflint_nan.ops.handlers import number, text
from tflint_nan.ops.layers import Apply, emitter, in_turn, layer, opaque
from tflint_nan.ops.points import facts, fresh, is_given
from tflint_nan.ops.spatial import resized
from tflint_nan.ops.table import Facts, Machine, operator
from tflint_nan.value import NONE, UNKNOWN, Items, Object, Op, Symbol, Table, Value


@operator("augment", flow=("x",))
def augment(op: Op) -> Facts:
    """An image moved at random, masked or framed: its own numbers, means of them, and the fill value."""
    x, fill = op.arg("x"), op.arg("fill_value")
    border = fill.interval if is_given(fill) else Interval(0.0, 0.0)
    return facts(x.interval.hull(border), x.witnesses, x.dtype, x.shape)


@operator("recolor", flow=("x",))
def recolor(op: Op) -> Facts:
    """An image in other colours: clipped to `value_range` in training, itself at inference.

    What lies outside of that range may be mirrored in its middle (an inverted image).
    """
    x, given, fill = op.arg("x"), op.arg("value_range"), op.arg("fill_value")
    ends: tuple[Value, ...] = given.items if isinstance(given, Items) else ()
    bounds = [number(end) for end in ends] if given is not NONE else [0.0, 255.0]
    low, high = bounds if len(bounds) == 2 else (None, None)
    if low is None or high is None or not low <= high:
        return Facts(EVERYTHING, x.witnesses, x.dtype, x.shape)
    mirrored = Interval(low + high - x.interval.hi, low + high - x.interval.lo)
    # Colours are converted forth and back, so that a bound is passed by its rounding.
    shades = Interval(low, high).hull(mirrored).stored(x.dtype, 64, 1.0)
    border = fill.interval if is_given(fill) else shades
    return facts(x.interval.hull(shades).hull(border), x.witnesses, x.dtype, x.shape)


@operator("resize", flow=("x",))
def resize(op: Op) -> Facts:
    """Images of another size: each number is a weighted mean of old ones.

    Cubic and Lanczos kernels have negative weights; in two dimensions the weights' magnitudes sum to less
    than 3, so that they leave the range by no more than its own width.
    """
    x, interval = op.arg("x"), op.arg("x").interval
    named = op.arg("interpolation") if is_given(op.arg("interpolation")) else op.arg("method")
    name = named.name if isinstance(named, Symbol) else text(named) or ""
    name = name.rpartition(".")[2].lower()
    if any(part in name for part in ("cubic", "lanczos")):
        width = interval.hi - interval.lo
        interval = Interval(interval.lo - width, interval.hi + width) if width == width else EVERYTHING
    if op.arg("fill_value") is not NONE or op.arg("pad_to_aspect_ratio").literal:
        border = number(op.arg("fill_value")) if is_given(op.arg("fill_value")) else 0.0
        interval = interval.hull(Interval(border, border)) if border is not None else EVERYTHING
    if name not in ("", "nearest", "bilinear"):
        interval = interval.stored(x.dtype, 64)  # weights that sum to 1 up to their rounding
    return facts(interval, x.witnesses, x.dtype, resized(x.shape, op))


@operator("lookup", differentiable=False)
def lookup(op: Op) -> Facts:
    """Classes of words or numbers, counted from 0; as zeros and ones; how often each occurs."""
    mode = op.arg("output_mode").literal or "int"
    if mode in ("one_hot", "multi_hot", "binary"):
        return Facts(UNIT, fresh(op, 0.0, 1.0))
    if mode not in ("int", "count", "tf_idf", "tf-idf"):
        return Facts()
    return Facts(NON_NEGATIVE, (), "int64" if mode == "int" else None)


def images(operator_name: str, *arguments: str) -> Apply:
    """A layer of images; in a dict of images and labels, of each of them."""
    single = emitter(operator_name, *arguments)

    def apply(machine: Machine, made: Object, x: Value) -> Value:
        if isinstance(x, Table):
            return Table({key: single(machine, made, item) for key, item in x.items.items()}, x.complete)
        return single(machine, made, x)

    return apply


def saturated(machine: Machine, made: Object, x: Value) -> Value:
    """`RandomSaturation`: the saturation is clipped to the range of the pixels, the colours are not."""
    return machine.emit("recolor", {"x": x, "layer": made, "value_range": UNKNOWN}, at=made.made)


_FILL = "fill_value"
_MOVED = images("augment", _FILL)
_COLORED = images("recolor", "value_range", _FILL)
_SIZED = images("resize", "interpolation", "pad_to_aspect_ratio", _FILL)
_LOOKED_UP = emitter("lookup", "output_mode")
_VOCABULARY = "max_tokens num_oov_indices mask_token oov_token vocabulary"

for _name, _apply, _signature in (
    ("Rescaling", emitter("rescaling", "scale", "offset"), "scale offset"),
    ("Normalization", emitter("normalization"), "axis mean variance invert"),
    ("Resizing", _SIZED, "height width interpolation crop_to_aspect_ratio pad_to_aspect_ratio"),
    ("CenterCrop", _SIZED, "height width"),
    ("RandomCrop", _SIZED, "height width seed"),
    ("RandomFlip", _MOVED, "mode seed"),
    ("RandomRotation", _MOVED, "factor fill_mode interpolation seed fill_value"),
    ("RandomTranslation", _MOVED, "height_factor width_factor fill_mode interpolation seed fill_value"),
    ("RandomZoom", _MOVED, "height_factor width_factor fill_mode interpolation seed fill_value"),
    ("RandomHeight", _SIZED, "factor interpolation seed"),
    ("RandomWidth", _SIZED, "factor interpolation seed"),
    ("RandomContrast", _COLORED, "factor value_range seed"),
    ("RandomBrightness", _COLORED, "factor value_range seed"),
    ("StringLookup", _LOOKED_UP, _VOCABULARY),
    ("IntegerLookup", _LOOKED_UP, _VOCABULARY),
    ("TextVectorization", _LOOKED_UP, "max_tokens standardize split ngrams output_mode"),
    ("Hashing", _LOOKED_UP, "num_bins mask_value salt output_mode"),
    ("Discretization", _LOOKED_UP, "bin_boundaries num_bins epsilon output_mode"),
    ("CategoryEncoding", _LOOKED_UP, "num_tokens output_mode sparse"),
):
    _before = f"keras.layers.experimental.preprocessing.{_name}"
    layer(f"keras.layers.{_name}", _apply, _signature)
    layer(_before, _apply, _signature, removed="2.15")

for _name, _apply, _signature in (
    ("RandomElasticTransform", _MOVED, "factor scale interpolation fill_mode fill_value value_range"),
    ("RandomPerspective", _MOVED, "factor scale interpolation fill_value"),
    ("RandomShear", _MOVED, "x_factor y_factor interpolation fill_mode fill_value"),
    ("MixUp CutMix", _MOVED, ""),
    ("AugMix", _COLORED, "value_range num_chains chain_depth factor"),
    ("AutoContrast", _COLORED, "value_range"),
    ("ContrastLimitedAdaptiveHistogramEqualization", _COLORED, "value_range clip_limit tile_grid_size"),
    ("Equalization", _COLORED, "value_range bins"),
    ("RandAugment", _COLORED, "value_range num_ops factor"),
    ("RandomColorDegeneration RandomHue RandomPosterization", _COLORED, "factor value_range"),
    ("RandomSaturation", saturated, "factor value_range"),
    ("RandomSharpness", _COLORED, "factor value_range"),
    ("RandomColorJitter", _COLORED, "value_range brightness_factor contrast_factor saturation_factor"),
    ("RandomErasing", _COLORED, "factor scale fill_value value_range"),
    ("RandomGaussianBlur", _COLORED, "factor kernel_size sigma value_range"),
    ("RandomGrayscale", _MOVED, "factor"),
    ("RandomInvert", _COLORED, "factor value_range"),
    ("Solarization", _COLORED, "addition_factor threshold_factor value_range"),
    ("HashedCrossing", _LOOKED_UP, "num_bins output_mode"),
    ("Pipeline", in_turn, "layers"),
    ("MelSpectrogram", opaque, "fft_length sequence_stride"),
    ("STFTSpectrogram", opaque, "mode frame_length"),
    ("MaxNumBoundingBoxes", opaque, "max_number fill_value"),
):
    for _one in _name.split():
        layer(f"keras.layers.{_one}", _apply, _signature)
