"""Images: colours, contrasts, patches, boxes, and measures of likeness.

What data sets and readers give stands in `ops.data`. Images of bytes hold 0 to 255 and stay bytes; images of
floats lie in [0, 1] by convention, which nothing enforces.
"""

from __future__ import annotations

import math

from tflint_nan.interval import EVERYTHING, FORMATS, INTEGERS, NON_NEGATIVE, UNIT, Interval
from tflint_nan.ops.bounds import bounded, moved_freely, unshaped
from tflint_nan.ops.data import read_pixels
from tflint_nan.ops.points import facts, is_given, is_unbounded, unbounded
from tflint_nan.ops.table import Call, Facts, Machine, api, operator
from tflint_nan.value import Const, Items, Op, Value

_INF = math.inf
_ZERO = Interval(0.0, 0.0)


def _span(value: Value, default: Interval) -> Interval:
    """The range of an argument, a default where it is not given."""
    return value.interval if is_given(value) else default


def _computed(op: Op, floats: Interval) -> Facts:
    """Bytes stay bytes (cut off at 0 and 255); floats lie in `floats`."""
    x = op.arg("x")
    if x.dtype in INTEGERS:
        lowest, highest = INTEGERS[x.dtype]
        return Facts(Interval(float(lowest), float(highest)), (), x.dtype, x.shape)
    if x.dtype not in FORMATS:
        return Facts(EVERYTHING, (), x.dtype, x.shape)
    # Images of float64 are computed in float32.
    return Facts(floats.stored("float32" if x.dtype == "float64" else x.dtype, 2), (), x.dtype, x.shape)


@operator("adjust_brightness", flow=("x",))
def _adjust_brightness(op: Op) -> Facts:
    """`x + delta`, or a delta up to `max_delta` of either sign."""
    x = op.arg("x").interval
    largest = op.arg("max_delta")
    moved = op.arg("delta").interval
    if is_given(largest):
        reach = abs(largest.interval.hi)
        moved = Interval(-reach, reach)
    ends = (x.lo + moved.lo, x.hi + moved.hi)
    return _computed(op, EVERYTHING if any(end != end for end in ends) else Interval(*ends))


@operator("adjust_contrast", flow=("x",))
def _adjust_contrast(op: Op) -> Facts:
    """`(x - mean) * factor + mean`, where the mean lies in the range of x."""
    x = op.arg("x").interval
    name = "upper" if is_given(op.arg("upper")) else "factor"
    factor = max(op.arg(name).interval.hi, 1.0)
    span = x.hi - x.lo
    if op.arg("factor").interval.lo < 0.0 or not math.isfinite(span * factor):
        return _computed(op, EVERYTHING)
    # The mean is rounded on the way, more so the more pixels there are.
    slack = 0.01 * max(abs(x.lo), abs(x.hi)) * factor
    more = span * (factor - 1.0) + slack
    return _computed(op, Interval(x.lo - more, x.hi + more))


@operator("adjust_gamma", flow=("x",))
def _adjust_gamma(op: Op) -> Facts:
    """`gain * x ** gamma`."""
    x = op.arg("x").interval
    gamma, gain = _span(op.arg("gamma"), UNIT), _span(op.arg("gain"), UNIT)
    if x.lo < 0.0 or gamma.lo < 0.0 or gain.lo < 0.0:
        return _computed(op, EVERYTHING)
    return _computed(op, Interval(0.0, gain.hi * 1.01 if x.hi <= 1.0 else _INF))


@operator("adjust_hue", flow=("x",))
def _adjust_hue(op: Op) -> Facts:
    """Other hues or saturations: the largest of the three colours stays, the others lie between it and 0."""
    x = op.arg("x").interval
    return _computed(op, Interval(0.0, x.hi * 1.01) if x.lo >= 0.0 else EVERYTHING)


@operator("adjust_quality", flow=("x",))
def _adjust_quality(op: Op) -> Facts:
    """An image through JPEG: bytes, or fractions of 255."""
    return _computed(op, UNIT)


@operator("interpolated", flow=("x",))
def _interpolated(op: Op) -> Facts:
    """A cubic or Lanczos filter has negative weights and overshoots the range, by less than its width."""
    x = op.arg("x")
    span = x.interval.hi - x.interval.lo
    ends = (x.interval.lo - span, x.interval.hi + span)
    dtype = x.dtype if x.dtype in FORMATS else "float32"
    interval = EVERYTHING if any(end != end for end in ends) else Interval(*ends).stored(dtype, 64)
    return facts(interval, x.witnesses, dtype, None)


@operator("grayscale", flow=("x",))
def _grayscale(op: Op) -> Facts:
    """A mean of the colours whose weights add up to 0.9999 (ITU-R BT.601)."""
    x = op.arg("x")
    lo, hi = x.interval.lo, x.interval.hi
    shape = (*x.shape[:-1], 1) if x.shape else None
    kept = [w for w in x.witnesses if w.value == 0.0]
    if x.dtype in INTEGERS:
        lowest, highest = INTEGERS[x.dtype]
        interval = Interval(lo - 1.0, hi + 1.0).clamped(Interval(float(lowest), float(highest)))
        return facts(interval, kept, x.dtype, shape)
    more = 1.02 if x.dtype in ("float16", "bfloat16") else 1.0  # what rounding adds
    interval = Interval(lo * (0.98 if lo > 0.0 else more), hi * (more if hi > 0.0 else 0.98))
    return facts(interval.stored("float32" if x.dtype == "float64" else x.dtype), kept, x.dtype, shape)


def _mixed(op: Op, weight: float) -> Facts:
    """Three colours mixed, with weights whose sizes add up to `weight` at most."""
    x = op.arg("x")
    if is_unbounded(x):
        return Facts(EVERYTHING, unbounded(op, x.dtype), x.dtype, x.shape)
    reach = weight * max(abs(x.interval.lo), abs(x.interval.hi))
    interval = Interval(-reach, reach).stored(x.dtype)
    return facts(interval, [w for w in x.witnesses if w.value == 0.0], x.dtype, x.shape)


# The largest rows of the matrices: V of YUV (0.615 + 0.515 + 0.1), B from YIQ (1 + 1.108 + 1.705).
operator("colour_difference")(lambda op: _mixed(op, 1.3))
operator("colour_sum")(lambda op: _mixed(op, 3.9))


@operator("rgb_to_hsv")
def _rgb_to_hsv(op: Op) -> Facts:
    """Hue and saturation in [0, 1], and the largest colour; of colours that are not negative."""
    x = op.arg("x")
    interval = Interval(0.0, max(1.0, x.interval.hi)) if x.interval.lo >= 0.0 else EVERYTHING
    return Facts(interval.stored(x.dtype, 4), (), x.dtype, x.shape)


@operator("hsv_to_rgb")
def _hsv_to_rgb(op: Op) -> Facts:
    x = op.arg("x")
    inside = x.interval.lo >= 0.0 and x.interval.hi <= 1.0
    return Facts(UNIT.stored(x.dtype, 4) if inside else EVERYTHING, (), x.dtype, x.shape)


#: Correlations of patches, kept off 0 / 0 by constants; rounding takes them past 1.
bounded("ssim", Interval(-1.01, 1.01), dtype="float32", shape=lambda: None)
bounded("psnr", EVERYTHING, dtype="float32", shape=lambda: None)
bounded("total_variation", NON_NEGATIVE, "x", shape=unshaped)
moved_freely("image_gradient", "x")


@operator("crop_and_resize", flow=("x", "fill"))
def _crop_and_resize(op: Op) -> Facts:
    """Boxes of images, as float32: means of pixels, and the fill value outside."""
    x, fill = op.arg("x"), op.arg("fill")
    outside = fill.interval if is_given(fill) else _ZERO
    return facts(x.interval.stored("float32", 16).hull(outside), x.witnesses, "float32", None)


@operator("drawn", flow=("x",))
def _drawn(op: Op) -> Facts:
    """An image with boxes in colours of its own, or noise, in [0, 1]."""
    x, colours = op.arg("x"), op.arg("colors")
    interval = x.interval.hull(UNIT)
    return facts(interval.hull(colours.interval) if is_given(colours) else interval, (), x.dtype, None)


def resized(machine: Machine, call: Call) -> Value:
    """`tf.image.resize(images, size, method)`: nearest neighbours keep bytes, the others make floats."""
    method = call.arg("method").literal
    if method in ("nearest", 1):
        return machine.emit("resize", call.args, call=call)
    means = not is_given(call.arg("method")) or method in ("bilinear", "area", 0, 3)
    if call.arg("x").dtype != "float32" and means:
        floats = machine.emit("cast", {"x": call.arg("x"), "dtype": Const("float32")}, call=call)
        return machine.emit("resize", {**call.args, "x": floats}, call=call)
    return machine.emit("resize" if means else "interpolated", call.args, call=call)


def gradients(machine: Machine, call: Call) -> Value:
    """`image_gradients(image)`: differences of rows and of columns."""
    x: dict[str, Value] = {"x": call.arg("x")}
    return Items(tuple(machine.emit("image_gradient", x, call=call) for _ in range(2)))


# ---- names

_IMAGE = "image:x"
api("tf.image.adjust_brightness", "adjust_brightness", f"{_IMAGE} delta")
api("tf.image.adjust_contrast", "adjust_contrast", "images:x contrast_factor:factor")
api("tf.image.adjust_gamma", "adjust_gamma", f"{_IMAGE} gamma gain")
api("tf.image.adjust_hue", "adjust_hue", f"{_IMAGE} delta name")
api("tf.image.adjust_saturation", "adjust_hue", f"{_IMAGE} saturation_factor name")
api("tf.image.adjust_jpeg_quality", "adjust_quality", f"{_IMAGE} jpeg_quality dct_method name")
for _random in ("random", "stateless_random"):
    _start = f"tf.image.{_random}_"
    api(f"{_start}brightness", "adjust_brightness", f"{_IMAGE} max_delta seed")
    api(f"{_start}contrast", "adjust_contrast", f"{_IMAGE} lower:factor upper seed")
    api(f"{_start}hue", "adjust_hue", f"{_IMAGE} max_delta seed")
    api(f"{_start}saturation", "adjust_hue", f"{_IMAGE} lower upper seed")
    api(f"{_start}jpeg_quality", "adjust_quality", f"{_IMAGE} min_jpeg_quality max_jpeg_quality seed")
api("tf.image.stateless_random_crop", "resize", "value:x size seed name")
for _side in ("left_right", "up_down"):
    api(f"tf.image.stateless_random_flip_{_side}", "augment", "image:x seed")
api("tf.image.transpose tf.image.transpose_image", "swap", f"{_IMAGE} name")
api("tf.image.resize_bicubic", "interpolated", "images:x size align_corners name half_pixel_centers")
api("tf.image.rgb_to_grayscale", "grayscale", "images:x name")
for _name in ("rgb_to_yiq", "rgb_to_yuv"):
    api(f"tf.image.{_name}", "colour_difference", "images:x")
for _name in ("yiq_to_rgb", "yuv_to_rgb"):
    api(f"tf.image.{_name}", "colour_sum", "images:x")
for _name in ("rgb_to_hsv", "hsv_to_rgb"):
    api(f"tf.image.{_name}", _name, "images:x name")
_SSIM = "filter_size filter_sigma k1 k2"
api("tf.image.ssim", "ssim", f"img1 img2 max_val {_SSIM} return_index_map")
api("tf.image.ssim_multiscale", "ssim", f"img1 img2 max_val power_factors {_SSIM}")
api("tf.image.psnr", "psnr", "a b max_val name")
api("tf.image.total_variation", "total_variation", "images:x name")
api("tf.image.sobel_edges", "image_gradient", f"{_IMAGE}")
api("tf.image.image_gradients", gradients, f"{_IMAGE}")
_FILL = "boxes box_indices crop_size method extrapolation_value:fill name box_ind:box_indices"
api("tf.image.crop_and_resize", "crop_and_resize", f"{_IMAGE} {_FILL}")
api("tf.image.extract_glimpse", "drawn", "input:x size offsets centered normalized noise name")
api("tf.image.draw_bounding_boxes", "drawn", "images:x boxes colors name")
for _name in ("non_max_suppression", "non_max_suppression_overlaps"):
    api(f"tf.image.{_name}", "index", f"{'overlaps' if _name.endswith('overlaps') else 'boxes'} scores")
_DECODED = "contents channels dtype name"
api("tf.image.decode_jxl tf.image.decode_webp", read_pixels, _DECODED)
api("tf.image.decode_and_crop_jpeg", read_pixels, "contents crop_window channels")
api("tf.image.resize", resized, "images:x size method preserve_aspect_ratio antialias name")
api("tf.image.resize_images", resized, "images:x size method align_corners preserve_aspect_ratio name")
_SCORED = "boxes scores max_output_size iou_threshold score_threshold"


def scored_boxes(machine: Machine, call: Call) -> Value:
    """`non_max_suppression_with_scores`: places, and scores, lowered perhaps."""
    lowered = machine.emit("scaled_down", {"x": call.arg("scores")}, call=call)
    return Items(
        (
            machine.emit("index", {}, call=call),
            machine.emit("gather", {"x": lowered}, call=call),
        )
    )


def padded_boxes(machine: Machine, call: Call) -> Value:
    """`non_max_suppression_padded`: places, and how many of them count."""
    return Items(tuple(machine.emit("index", {}, call=call) for _ in range(2)))


def combined_boxes(machine: Machine, call: Call) -> Value:
    """`combined_non_max_suppression`: boxes, scores and classes, padded with 0, and how many count."""
    boxes, scores = (machine.emit("pad", {"x": call.arg(name)}, call=call) for name in ("boxes", "scores"))
    places: dict[str, Value] = {"dtype": Const("float32")}
    return Items(
        (boxes, scores, machine.emit("index", places, call=call), machine.emit("index", {}, call=call))
    )


def distorted_box(machine: Machine, call: Call) -> Value:
    """`sample_distorted_bounding_box`: where a slice begins, how large it is, and the box in fractions."""
    begin, size = (machine.emit("index", {}, call=call) for _ in range(2))
    return Items((begin, size, machine.emit("random_uniform", {}, call=call)))


api("tf.image.non_max_suppression_with_scores", scored_boxes, f"{_SCORED} soft_nms_sigma name")
api("tf.image.non_max_suppression_padded", padded_boxes, _SCORED)
api("tf.image.combined_non_max_suppression", combined_boxes, "boxes scores")
_AREA = "min_object_covered aspect_ratio_range area_range max_attempts"
api("tf.image.sample_distorted_bounding_box", distorted_box, f"image_size bounding_boxes seed {_AREA}")
api(
    "tf.image.stateless_sample_distorted_bounding_box",
    distorted_box,
    f"image_size bounding_boxes seed {_AREA}",
)
