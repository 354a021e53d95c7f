"""Signals: Fourier and cosine transforms, windows, frames.

Of a spectrum its format is known, and that it is 0 for silence.
"""

from __future__ import annotations

from tflint_nan.interval import EVERYTHING, UNIT, Interval, epsilon
from tflint_nan.ops.bounds import bounded, complex_of, moved_freely, real_part
from tflint_nan.ops.points import dtype_named, fresh, integer, is_given, is_numpy
from tflint_nan.ops.table import Call, Facts, Machine, api, operator
from tflint_nan.value import Const, Items, Op, Unknown, Value

# ---- transforms

#: Data as it comes: a recording may hold digital silence, and is padded with zeros.
_RECORDED = frozenset({"parameter", "placeholder", "unknown_call", "zeros"})
#: What leaves silence silent: op -> the operands that all have to be.
_LINEAR = {
    **dict.fromkeys(("add", "sub"), ("x", "y")),
    **dict.fromkeys(("div", "neg", "abs", "square", "mean", "clip", "overwritten"), ("x",)),
}
#: How far a signal is followed.
_NEAR = 64


def _may_be_silent(x: Value) -> bool:
    """Whether `x` is data, scaled, cut or filtered, so that all of a piece of it may be 0.

    What a layer computes, random noise (as a dither adds it) and what is written in the program are not.
    Where branches meet, one of them is enough.
    """
    return _silent(x, {})


def _silent(value: Value, known: dict[int, bool]) -> bool:
    if isinstance(value, Items):
        return all(_silent(item, known) for item in value.items)
    op = value.op
    if op is None:
        return isinstance(value, Unknown) or value.literal == 0
    if op.serial not in known:
        known[op.serial] = False
        known[op.serial] = op.name in _RECORDED or (len(known) <= _NEAR and _is_kept_silent(op, known))
    return known[op.serial]


def _is_kept_silent(op: Op, known: dict[int, bool]) -> bool:
    if op.name == "join":
        return any(_silent(side, known) for side in op.args.values())
    names = op.flow or _LINEAR.get(op.name, ())
    if op.name == "mul":
        names = tuple(name for name in ("x", "y") if not _is_gain(op.arg(name))) or ("x",)
    return bool(names) and all(_silent(op.args[name], known) for name in names if name in op.args)


def _is_gain(factor: Value) -> bool:
    """Whether a signal is multiplied by `factor`, and not the other way round: it is not 0, or a window."""
    return 0.0 not in factor.interval or factor.made_by("window") is not None


@operator("spectrum")
def _spectrum(op: Op) -> Facts:
    """A Fourier transform, 0 for silence where it is one of a `signal`; NumPy's is computed in float64.

    What a program itself makes of zeros is no recording: it asks for a shape.
    """
    x = op.arg("x")
    known = complex_of(real_part(x.dtype))
    silent = op.arg("signal").literal is True and not x.interval.is_point and _may_be_silent(x)
    dtype = "complex128" if is_numpy(op) else known or "complex64"
    return Facts(EVERYTHING, fresh(op, 0.0) if silent else (), dtype)


@operator("inverse_spectrum")
def _inverse_spectrum(op: Op) -> Facts:
    """The real signal of a spectrum."""
    known = real_part(op.arg("x").dtype)
    return Facts(dtype="float64" if is_numpy(op) else known or "float32")


#: Cosine transforms are linear and have an inverse, so their results move as freely as their operand.
moved_freely("cosine_transform overlap_and_add", "x")

#: The transforms of signals, piece by piece; of an image all pixels would have to be 0.
_SIGNAL = Const(True)
api("tf.signal.fft tf.fft", "spectrum", "input:x name", signal=_SIGNAL)
for _name in ("fft2d", "fft3d", "ifft", "ifft2d", "ifft3d"):
    api(f"tf.signal.{_name} tf.{_name}", "spectrum", "input:x name")
for _name in ("rfft", "rfft2d", "rfft3d"):
    _known = Const(_name == "rfft")
    api(f"tf.signal.{_name}", "spectrum", "input_tensor:x fft_length name", signal=_known)
    api(f"tf.signal.i{_name}", "inverse_spectrum", "input_tensor:x fft_length name")
_ND = "fft_length axes norm name"
for _name, _operator in (
    *(("fftnd", "spectrum"), ("ifftnd", "spectrum")),
    *(("rfftnd", "spectrum"), ("irfftnd", "inverse_spectrum")),
):
    api(f"tf.signal.{_name}", _operator, f"input_tensor:x {_ND}")
    api(f"tf.{_name}", _operator, "input:x fft_length axes")
_STFT = "signals:x frame_length frame_step fft_length window_fn pad_end name"
api("tf.signal.stft", "spectrum", _STFT, signal=_SIGNAL)
api(
    "tf.signal.inverse_stft",
    "inverse_spectrum",
    "stfts:x frame_length frame_step fft_length window_fn name",
)
for _name in ("dct", "idct"):
    api(f"tf.signal.{_name}", "cosine_transform", "input:x type n axis norm name")
api("tf.signal.mdct", "cosine_transform", "signals:x frame_length window_fn pad_end norm name")
api("tf.signal.inverse_mdct", "cosine_transform", "mdcts:x window_fn norm name")
api("tf.signal.mfccs_from_log_mel_spectrograms", "cosine_transform", "log_mel_spectrograms:x name")
api("tf.signal.overlap_and_add", "overlap_and_add", "signal:x frame_step name")
for _name in ("fftshift", "ifftshift"):
    api(f"tf.signal.{_name}", "roll", "x axes name")
    api(f"np.fft.{_name}", "roll", "x axes")
api("np.fft.fft np.fft.rfft", "spectrum", "a:x n axis norm", signal=_SIGNAL)
api("np.fft.ifft np.fft.ihfft", "spectrum", "a:x n axis norm")
for _name in ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "rfftn"):
    api(f"np.fft.{_name}", "spectrum", "a:x s axes norm")
for _name in ("irfft", "hfft"):
    api(f"np.fft.{_name}", "inverse_spectrum", "a:x n axis norm")
for _name in ("irfft2", "irfftn"):
    api(f"np.fft.{_name}", "inverse_spectrum", "a:x s axes norm")
bounded("frequencies", EVERYTHING, differentiable=False, dtype="float64", shape=lambda: None)
api("np.fft.fftfreq np.fft.rfftfreq", "frequencies", "n d")


def frame(machine: Machine, call: Call) -> Value:
    """`frame(signal, length, step)`: overlapping pieces, the last ones padded where that is asked for."""
    signal = call.arg("x")
    if call.arg("pad_end").literal not in (None, False):
        border = call.arg("constant_values")
        args = {"x": signal, "constant_values": border if is_given(border) else Const(0)}
        signal = machine.emit("pad", args, call=call)
    return machine.emit("gather", {"x": signal}, call=call)


api(
    "tf.signal.frame",
    frame,
    "signal:x frame_length frame_step pad_end pad_value:constant_values axis name",
)

# ---- windows

#: The least number of a window of any length, with what rounding takes off; Hann's starts with 0.
_LEAST = {"hann": 0.0, "hamming": 0.0799, "kaiser": 0.0, "vorbis": 0.0, "blackman": -1e-6}


@operator("window", differentiable=False)
def _window(op: Op) -> Facts:
    """Weights of the samples of a piece: 1 in the middle, less towards its ends."""
    dtype = dtype_named(op.arg("dtype"), op.api) or ("float64" if is_numpy(op) else "float32")
    kind = str(op.arg("kind").literal)
    least = _LEAST.get(kind, 0.0)
    slack = 8.0 * epsilon(dtype)
    interval = Interval(least - slack if least else 0.0, 1.0 + slack).stored(dtype)
    return Facts(interval, fresh(op, 0.0) if kind == "hann" else (), dtype, (integer(op.arg("length")),))


for _name, _params in (
    ("hann", "window_length:length periodic dtype name"),
    ("hamming", "window_length:length periodic dtype name"),
    ("kaiser", "window_length:length beta dtype name"),
    ("vorbis", "window_length:length dtype name"),
):
    api(f"tf.signal.{_name}_window", "window", _params, kind=Const(_name))
_BETA = "window_length:length beta dtype name"
api("tf.signal.kaiser_bessel_derived_window", "window", _BETA, kind=Const("kaiser"))
for _name, _kind in (
    ("hanning", "hann"),
    ("hamming", "hamming"),
    ("bartlett", "hann"),
    ("blackman", "blackman"),
):
    api(f"np.{_name}", "window", "M:length", kind=Const(_kind))
api("np.kaiser", "window", "M:length beta", kind=Const("kaiser"))


@operator("mel_weights", differentiable=False)
def _mel_weights(op: Op) -> Facts:
    """Triangles over the frequencies of a spectrum, 0 outside: `(bins, mel bins)`."""
    dtype = dtype_named(op.arg("dtype"), op.api) or "float32"
    shape = (integer(op.arg("bins")), integer(op.arg("mel_bins")))
    return Facts(UNIT.stored(dtype), fresh(op, 0.0), dtype, shape)


api(
    "tf.signal.linear_to_mel_weight_matrix",
    "mel_weights",
    "num_mel_bins:mel_bins num_spectrogram_bins:bins sample_rate lower_edge_hertz upper_edge_hertz dtype",
)
