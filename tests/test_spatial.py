"""The shapes that the walk predicts behind convolutions, pooling and resizing are TensorFlow's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tflint_nan.build import build
from tflint_nan.graph import Graph
from tflint_nan.source import Source
from tflint_nan.value import Shape

HEAD = "import keras\nimport tensorflow as tf\nfrom lib import probe\n"
#: Layers of pictures, called on 11 rows of 8 with 3 channels.
LAYERS = (
    *(
        f"Conv2D(4, {k}, {s}, '{p}')"
        for k in (1, 3, (2, 5))
        for s in (1, 2, (3, 1))
        for p in ("same", "valid")
    ),
    *("Conv2D(4, 3, dilation_rate=2)", "Conv2D(4, 3, dilation_rate=(1, 3), padding='SAME')"),
    *(f"Conv2DTranspose(4, {k}, {s}, '{p}')" for k in (2, 4) for s in (1, 2, 5) for p in ("same", "valid")),
    *("SeparableConv2D(5, 2, 2)", "SeparableConv2D(5, 3, padding='same')"),
    *(
        "MaxPooling2D()",
        "MaxPooling2D(3, 2)",
        "MaxPooling2D(3, padding='same')",
        "MaxPooling2D((2, 3), (1, 2))",
    ),
    *("AveragePooling2D(2, padding='same')", "AveragePooling2D(3, 1)", "GlobalAveragePooling2D()"),
    *("UpSampling2D()", "UpSampling2D(3)", "UpSampling2D((1, 2), interpolation='bilinear')"),
)
#: What is not followed: these shapes have unknown lengths, and the right ones.
LEFT = (
    *("Conv2D(4, 3, data_format='channels_first')", "MaxPooling2D(data_format='channels_first')"),
    *("Conv2DTranspose(4, 3, 2, output_padding=1)", "UpSampling2D(data_format='channels_first')"),
    *("Cropping2D(1)", "DepthwiseConv2D(3, 2)", "Conv2D(4, int('3'))"),
)


def predicted(text: str) -> Shape:
    """The shape of what the last probe gets."""
    graph: Graph = build(Source("program.py", HEAD + text), {})
    *_, last = (op for op in graph.ops("unknown_call") if op.api == "lib.probe")
    return last.arg("0").shape


def agree(told: Shape, found: tuple[int | None, ...]) -> bool:
    return told is None or (
        len(told) == len(found) and all(a is None or a == b for a, b in zip(told, found, strict=True))
    )


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str) -> None:
    text = f"probe(keras.layers.{layer}(keras.Input((11, 8, 3))))"
    made = eval(f"keras.layers.{layer}", {"keras": keras})
    assert predicted(text) == tuple(made.compute_output_shape((None, 11, 8, 3)))


@pytest.mark.parametrize("layer", LEFT)
def test_unknown_lengths(layer: str) -> None:
    made = eval(f"keras.layers.{layer}", {"keras": keras})
    told = predicted(f"probe(keras.layers.{layer}(keras.Input((11, 8, 3))))")
    assert told is None or None in told[1:]
    if "first" not in layer:
        assert agree(told, made.compute_output_shape((None, 11, 8, 3)))


@pytest.mark.parametrize(
    ("name", "size"), [("Conv1D(4, 3, padding='causal')", (9, 2)), ("Conv3D(4, 2, 2)", (5, 6, 7, 2))]
)
def test_other_ranks(name: str, size: tuple[int, ...]) -> None:
    made = eval(f"keras.layers.{name}", {"keras": keras})
    assert predicted(f"probe(keras.layers.{name}(keras.Input({size})))") == made.compute_output_shape(
        (None, *size)
    )


RESIZED = "tf.image.resize(tf.io.decode_png(data, channels=1), {}{})"


@pytest.mark.parametrize(
    ("size", "more"),
    [("(7, 5)", ""), ("[7, 5]", ", method='nearest'"), ("(7, 5)", ", preserve_aspect_ratio=True")],
)
def test_pictures_of_another_size(size: str, more: str) -> None:
    expression = RESIZED.format(size, more)
    data = tf.io.encode_png(tf.zeros((4, 4, 1), tf.uint8))
    found = eval(expression, {"tf": tf, "data": data}).shape
    told = predicted(f"data = tf.io.read_file('x')\nprobe({expression})")
    assert agree(told, tuple(found))
    assert (told == (7, 5, 1)) == ("aspect" not in more)


def test_decoded_pictures() -> None:
    data = tf.io.encode_jpeg(tf.zeros((4, 6, 3), tf.uint8))
    for channels in ("", ", channels=3", ", channels=0"):
        found = tf.io.decode_jpeg(data, **({"channels": 3} if "3" in channels else {})).shape
        told = predicted(f"probe(tf.io.decode_jpeg(tf.io.read_file('x'){channels}))")
        assert told == (None, None, 3 if "3" in channels else None)
        assert agree(told, tuple(found))


def test_a_functional_model_refuses_other_lengths() -> None:
    text = "i = keras.Input((6, 6, 1))\nmodel = keras.Model(i, keras.layers.MaxPooling2D()(i))\n"
    assert predicted(f"{text}probe(model(load()))") == (None, 3, 3, 1)
    assert predicted(f"{text}probe(model(tf.zeros((2, 6, 6, 1))))") == (2, 3, 3, 1)
    names = {"keras": keras}
    exec(text, names)
    with pytest.raises(ValueError, match="incompatible"):
        names["model"](tf.zeros((2, 5, 6, 1)))


def test_a_sequential_model_does_not() -> None:
    made = "keras.Sequential([keras.Input((6, 6, 1)), keras.layers.MaxPooling2D()])"
    assert predicted(f"probe({made}(load()))") is None
    assert eval(made, {"keras": keras})(tf.zeros((2, 4, 6, 1))).shape == (2, 2, 3, 1)


def test_what_a_program_says_of_a_shape() -> None:
    text = "x = tf.ensure_shape(load(), [None, 4, 2])\nprobe(x)"
    assert predicted(text) == (None, 4, 2)
    assert predicted("probe(tf.ensure_shape(tf.zeros((3, 4, 2)), [None, None, 2]))") == (3, 4, 2)


#: Subscripts of an array with six rows of five pairs; what is drawn stands for places of rows.
TAKEN = (
    "x[np.random.permutation(len(x))]",
    "x[np.random.permutation(6)]",
    "x[np.random.permutation(x.shape[0])[:4]]",
    "x[np.argsort(x[:, 0, 0])]",
    "x[np.array([[0, 1], [5, 2], [3, 3]])]",
    "x[x[:, 0, 0] > 0]",
    "x[np.zeros((6, 5), bool)]",
    "np.random.permutation(x)",
    "np.random.permutation(len(x))",
)


@pytest.mark.parametrize("expression", TAKEN)
def test_rows_that_are_taken_by_an_array(expression: str) -> None:
    given = "np.zeros((6, 5, 2))"
    found = eval(expression, {"np": np, "x": eval(given, {"np": np})}).shape
    assert agree(predicted(f"import numpy as np\nx = {given}\nprobe({expression})"), found)
    # Of an array of which only the last axis is known, as many numbers are in it.
    told = predicted(f"import numpy as np\nx = load().reshape((-1, n, 2))\nprobe({expression})")
    assert agree(told, found)
    if "permutation(len" in expression:
        assert told == ((None, None, 2) if expression.startswith("x[") else (None,))


@pytest.mark.parametrize("function", ["vstack", "hstack", "dstack", "column_stack"])
@pytest.mark.parametrize("lengths", [(), (5,), (5, 2), (5, 2, 3), (5, 2, 3, 4)])
def test_arrays_side_by_side(function: str, lengths: tuple[int, ...]) -> None:
    expression = f"np.{function}([np.zeros({lengths}), np.ones({lengths})])"
    found = eval(expression, {"np": np}).shape
    told = predicted(f"import numpy as np\nprobe({expression})")
    assert agree(told, found)
    known = function in ("vstack", "hstack") or len(lengths) > (function == "dstack")
    assert (told == found) == (bool(lengths) and known and (function, len(lengths)) not in UNUSUAL)
    one = eval(f"np.{function}([np.zeros((4, 2, 3)), np.ones((4, 2, 3))])", {"np": np}).shape
    assert agree(predicted(f"import numpy as np\nprobe(np.{function}([load(), np.ones((4, 2, 3))]))"), one)


#: What nobody puts side by side so: the columns of more than tables.
UNUSUAL = {("column_stack", 3), ("column_stack", 4)}


@pytest.mark.parametrize("axis", ["", ", axis=0", ", axis=1"])
def test_an_array_appended_to_another(axis: str) -> None:
    expression = f"np.append(np.zeros((3, 2)), np.ones((3, 2)){axis})"
    found = eval(expression, {"np": np}).shape
    assert agree(predicted(f"import numpy as np\nprobe({expression})"), found)


def test_attention_is_as_wide_as_its_query() -> None:
    layer = "keras.layers.MultiHeadAttention(2, 3{})"
    for more in ("", ", output_shape=7"):
        made = layer.format(more)
        query, value = keras.Input((5, 1)), keras.Input((4, 6))
        found = tuple(eval(made, {"keras": keras})(query, value).shape)
        told = predicted(f"probe({made}(keras.Input((5, 1)), keras.Input((4, 6))))")
        assert agree(told, found)
        assert (told == found) == (not more)


GENERATED = """
import numpy as np

def rows():
    yield np.zeros(GIVEN), {"id": np.int64(3)}

signature = (tf.TensorSpec([None, 4]), {"id": tf.TensorSpec(shape=(), dtype=tf.int32)})
data = tf.data.Dataset.from_generator(rows, output_signature=signature).batch(2)
"""


def test_what_a_signature_says_of_a_generator() -> None:
    names = {"keras": keras, "tf": tf}
    exec(GENERATED.replace("GIVEN", "(3, 4)"), names)
    for part in ("[0]", "[1]['id']"):
        read = f"{GENERATED.replace('GIVEN', 'size')}for element in data:\n    probe(element{part})"
        found = next(eval(f"(element{part} for element in data)", names))
        *_, last = (
            op for op in build(Source("a.py", HEAD + read), {}).ops("unknown_call") if "probe" in op.api
        )
        told = last.arg("0")
        assert told.shape is not None
        assert agree(told.shape, tuple(found.shape))
        assert told.shape[1:] == ((None, 4) if part == "[0]" else ())
        assert told.dtype == found.dtype.name
    exec(GENERATED.replace("GIVEN", "(3, 5)"), names)
    with pytest.raises(tf.errors.InvalidArgumentError, match="was expected"):
        next(iter(names["data"]))
