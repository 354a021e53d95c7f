"""Signals: Fourier and cosine transforms, windows, frames. Of a spectrum no more is known than its format."""

from __future__ import annotations

from tflint_nan.interval import EVERYTHING, UNIT, Interval, epsilon
from tflint_nan.ops.bounds import bounded, complex_of, moved_freely, real_part
from tflint_nan.ops.points import dtype_named, fresh, integer, is_given, is_numpy
from tflint_nan.ops.table import Call, Facts, Machine, api, operator
from tflint_nan.value import Const, Op, Value

# ---- transforms


@operator("spectrum")
def _spectrum(op: Op) -> Facts:
    """A Fourier transform; NumPy's is computed in float64."""
    x = op.arg("x")
    known = complex_of(real_part(x.dtype))
    return Facts(dtype="complex128" if is_numpy(op) else known or "complex64")


@operator("inverse_spectrum")
def _inverse_spectrum(op: Op) -> Facts:
    """The real signal of a spectrum."""
    known = real_part(op.arg("x").dtype)
    return Facts(dtype="float64" if is_numpy(op) else known or "float32")


#: Cosine transforms are linear and have an inverse, so their results move as freely as their operand.
moved_freely("cosine_transform overlap_and_add", "x")

for _name in ("fft", "fft2d", "fft3d", "ifft", "ifft2d", "ifft3d"):
    api(f"tf.signal.{_name} tf.{_name}", "spectrum", "input:x name")
for _name in ("rfft", "rfft2d", "rfft3d"):
    api(f"tf.signal.{_name}", "spectrum", "input_tensor:x fft_length name")
    api(f"tf.signal.i{_name}", "inverse_spectrum", "input_tensor:x fft_length name")
_ND = "fft_length axes norm name"
for _name, _operator in (
    *(("fftnd", "spectrum"), ("ifftnd", "spectrum")),
    *(("rfftnd", "spectrum"), ("irfftnd", "inverse_spectrum")),
):
    api(f"tf.signal.{_name}", _operator, f"input_tensor:x {_ND}")
    api(f"tf.{_name}", _operator, "input:x fft_length axes")
api("tf.signal.stft", "spectrum", "signals:x frame_length frame_step fft_length window_fn pad_end name")
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
for _name in ("fft", "ifft", "rfft", "ihfft"):
    api(f"np.fft.{_name}", "spectrum", "a:x n axis norm")
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
