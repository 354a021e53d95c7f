"""Where data comes from: data sets, image readers, generators, and what scales them.

Raw pixels are 0 to 255 whatever they are stored in; scaled images lie in [0, 1].
"""

from __future__ import annotations

import math

from tflint_nan.interval import FORMATS, UNIT, Interval
from tflint_nan.ops.handlers import number, receiver, text, truth, unknown
from tflint_nan.ops.points import dtype_named, fresh, integer
from tflint_nan.ops.table import Call, Facts, Handler, Machine, api, operator
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Op, Shape, Value

PIXELS = Interval(0.0, 255.0)
#: What reads a file as a picture of PIL.
_PICTURES = frozenset(
    {"PIL.Image.open", "Image.open", "keras.utils.load_img", "keras.preprocessing.image.load_img"}
)
#: Image data sets: the shape of one example, and how many classes there are.
IMAGES: dict[str, tuple[tuple[int | None, ...], int]] = {
    "mnist": ((28, 28), 10),
    "fashion_mnist": ((28, 28), 10),
    "kmnist": ((28, 28), 10),
    "emnist": ((28, 28), 62),
    "cifar10": ((32, 32, 3), 10),
    "cifar100": ((32, 32, 3), 100),
    "svhn_cropped": ((32, 32, 3), 10),
    "cats_vs_dogs": ((None, None, 3), 2),
    "horses_or_humans": ((300, 300, 3), 2),
    "rock_paper_scissors": ((300, 300, 3), 3),
    "tf_flowers": ((None, None, 3), 5),
    "oxford_flowers102": ((None, None, 3), 102),
    "food101": ((None, None, 3), 101),
    "stanford_dogs": ((None, None, 3), 120),
    "beans": ((500, 500, 3), 3),
    "malaria": ((None, None, 3), 2),
}


def _shape(op: Op) -> Shape:
    given = op.arg("shape")
    return tuple(integer(item) for item in given.items) if isinstance(given, Items) else None


@operator("pixels")
def _pixels(op: Op) -> Facts:
    """Raw pixels: black and white are 0 and 255."""
    dtype = dtype_named(op.arg("dtype")) or "uint8"
    return Facts(PIXELS, fresh(op, 0.0, 255.0), dtype, _shape(op))


@operator("scaled_images")
def _scaled_images(op: Op) -> Facts:
    """Pixels divided by 255."""
    return Facts(UNIT, fresh(op, 0.0, 1.0), "float32", _shape(op))


@operator("class_ids")
def _class_ids(op: Op) -> Facts:
    """Numbers of classes, from 0."""
    count = integer(op.arg("classes"))
    interval = Interval(0.0, float("inf") if count is None else count - 1.0)
    reached = (0.0, 1.0) if count is None or count < 3 else (0.0, 1.0, count - 1.0)
    return Facts(interval, fresh(op, *reached), "int64", _shape(op))


@operator("tabular")
def _tabular(op: Op) -> Facts:
    """Unscaled measurements of a known table, in units of their own."""
    top = number(op.arg("largest"))
    if top is None:
        return Facts()
    low = number(op.arg("least")) or 0.0
    return Facts(Interval(low, top), fresh(op, low, top), "float64")


def sizes(shape: tuple[int | None, ...]) -> Value:
    """A shape as an argument, with a leading axis of unknown length."""
    return Items((NONE, *(Const(size) for size in shape)))


def images(
    machine: Machine,
    call: Call,
    name: str,
    *,
    scaled: bool = False,
    flat: bool = False,
    channels: bool = False,
) -> Value:
    """The pixels of a data set, in one row where `flat`, with an axis of channels where `channels`."""
    shape, _ = IMAGES[name]
    if flat:
        shape = (math.prod(size or 0 for size in shape),)
    if channels and len(shape) == 2:
        shape = (*shape, 1)
    args = {"source": Const(name), "shape": sizes(shape)}
    return machine.emit("scaled_images" if scaled else "pixels", args, call=call)


def labels(machine: Machine, call: Call, classes: int | None, *, column: bool = False) -> Value:
    """The class numbers of a data set."""
    args: dict[str, Value] = {"shape": sizes((1,) if column else ())}
    if classes is not None:
        args["classes"] = Const(classes)
    return machine.emit("class_ids", args, call=call)


def load_images(name: str) -> Handler:
    """`keras.datasets.<name>.load_data()`: two pairs of pixels and class numbers."""

    def handler(machine: Machine, call: Call) -> Value:
        coarse = text(call.arg("label_mode")) == "coarse"
        count = 20 if coarse else IMAGES[name][1]
        return Items(
            tuple(
                Items((images(machine, call, name), labels(machine, call, count, column="cifar" in name)))
                for _ in ("train", "test")
            )
        )

    return handler


def load_table(least: float, largest: float) -> Handler:
    """A loader of measurements from `least` to `largest` and of targets."""

    def handler(machine: Machine, call: Call) -> Value:
        bounds = {"least": Const(least), "largest": Const(largest)}
        return Items(
            tuple(
                Items((machine.emit("tabular", bounds, call=call), unknown(machine, call=call)))
                for _ in ("train", "test")
            )
        )

    return handler


def load_words(classes: int) -> Handler:
    """A loader of texts as lists of word numbers."""

    def handler(machine: Machine, call: Call) -> Value:
        return Items(
            tuple(
                Items((unknown(machine, call=call), labels(machine, call, classes)))
                for _ in ("train", "test")
            )
        )

    return handler


def read_data_sets(machine: Machine, call: Call) -> Value:
    """The MNIST reader of TensorFlow 1's tutorials: three sets of images in [0, 1]."""
    raw = (dtype_named(call.arg("dtype")) or "float32") != "float32"
    flat = truth(call.arg("reshape"), True) is not False
    sets = {}
    for name in ("train", "validation", "test"):
        x = images(machine, call, "mnist", scaled=not raw, flat=flat)
        y = labels(machine, call, 10)
        if truth(call.arg("one_hot"), False) is True:
            y = machine.emit("one_hot", {"x": y, "depth": Const(10)}, call=call)
        elif truth(call.arg("one_hot"), False) is None:
            y = unknown(machine, call=call)
        sets[name] = machine.new("image_set", call, images=x, labels=y)
    return machine.new("image_sets", call, **sets)


def load_dataset(machine: Machine, call: Call) -> Value:
    """`tf.contrib.learn.datasets.load_dataset("mnist")`."""
    return read_data_sets(machine, call) if text(call.arg("name")) == "mnist" else UNKNOWN


def next_batch(machine: Machine, call: Call) -> Value:
    """`mnist.train.next_batch(n)`: some images and their labels."""
    made = receiver(call)
    if made is None:
        return UNKNOWN
    size, batches = call.arg("batch_size"), list[Value]()
    for name in ("images", "labels"):
        one = machine.emit("slice", {"x": made.attrs.get(name, UNKNOWN), "index": Const(0)}, call=call)
        batches.append(machine.emit("batch", {"x": one, "size": size}, call=call))
    return Items(tuple(batches))


#: What gives the rows, columns and channels of one image.
_ONE_IMAGE = frozenset({"decode_jpeg", "decode_png", "decode_bmp"})


def read_pixels(machine: Machine, call: Call) -> Value:
    """An image file as numbers: raw pixels, unless another format than bytes is asked for."""
    dtype = dtype_named(call.arg("dtype"))
    if dtype not in (None, "uint8"):
        return unknown(machine, call.arg("contents"), call=call)
    args = {"source": call.arg("contents")}
    if call.api.rpartition(".")[2] in _ONE_IMAGE:
        channels = integer(call.arg("channels"))
        args["shape"] = Items((NONE, NONE, Const(channels or None)))
    return machine.emit("pixels", args, call=call)


def read_bytes(machine: Machine, call: Call) -> Value:
    """The bytes of a file as numbers, from 0 to 255 as pixels are; other numbers may be anything."""
    if dtype_named(call.arg("dtype")) != "uint8":
        return unknown(machine, call.arg("contents"), call=call)
    return machine.emit("pixels", {"source": call.arg("contents")}, call=call)


def is_picture(value: Value) -> bool:
    """Whether a value is a picture of PIL, not the array of its pixels: its methods give another picture."""
    op = value.op
    while op is not None and (op.api.startswith("tensor.") or op.name in ("join", "refine")):
        op = op.operands[0] if op.operands else None
    return op is not None and op.api in _PICTURES


def changed_picture(machine: Machine, call: Call) -> Value:
    """A picture of PIL, cut out or turned: what is outside of it is black."""
    if not is_picture(call.arg("self")):
        return unknown(machine, call.arg("self"), call=call)
    return machine.emit("augment", {"x": call.arg("self")}, call=call)


def img_to_array(machine: Machine, call: Call) -> Value:
    """`img_to_array(image)`: the pixels as float32."""
    return machine.emit("cast", {"x": call.arg("x"), "dtype": Const("float32")}, call=call)


def convert_image_dtype(machine: Machine, call: Call) -> Value:
    """`tf.image.convert_image_dtype(image, tf.float32)`: bytes become [0, 1], floats stay what they are."""
    x, dtype = call.arg("x"), dtype_named(call.arg("dtype"))
    if x.dtype in FORMATS and dtype in FORMATS:
        args = {"x": x, "dtype": Const(dtype), "full_scale": Const(1.0)}
        return machine.emit("cast", args, call=call)
    if x.dtype == dtype and dtype is not None:
        return x
    if x.dtype == "uint8" and dtype in FORMATS:
        args = {"x": x, "scale": Const(1.0 / 255.0), "dtype": Const(dtype)}
        return machine.emit("rescaling", args, call=call)
    return machine.emit("scaled", {"x": x}, call=call)


def normalise(machine: Machine, call: Call) -> Value:
    """A function that normalises its argument: the range is not known, but it is not raw.

    Where it is made for numbers of one size, `full_scale` is the largest of them.
    """
    given = {name: value for name, value in call.args.items() if name in ("x", "full_scale")}
    return machine.emit("scaled", given, call=call)


def unchanged(machine: Machine, call: Call) -> Value:
    """A function that returns its argument."""
    return call.arg("x")


for _name in ("mnist", "fashion_mnist", "cifar10"):
    api(f"keras.datasets.{_name}.load_data", load_images(_name), "path" if _name == "mnist" else "")
api("keras.datasets.cifar100.load_data", load_images("cifar100"), "label_mode")
# Least and largest number of any feature: the tax rate of Boston; longitude and rooms of California.
api("keras.datasets.boston_housing.load_data", load_table(0.0, 711.0), "path test_split seed")
api(
    "keras.datasets.california_housing.load_data",
    load_table(-124.35, 39320.0),
    "version path test_split seed",
)
api("keras.datasets.imdb.load_data", load_words(2), "path num_words skip_top maxlen")
api("keras.datasets.reuters.load_data", load_words(46), "path num_words skip_top maxlen")
_READ = "train_dir fake_data one_hot dtype reshape validation_size seed"
api("input_data.read_data_sets", read_data_sets, _READ)
api(
    "tf.examples.tutorials.mnist.input_data.read_data_sets tf.contrib.learn.datasets.mnist.read_data_sets "
    "tf.contrib.learn.python.learn.datasets.mnist.read_data_sets",
    read_data_sets,
    _READ,
    removed="1.15",
)
api("tf.contrib.learn.datasets.load_dataset", load_dataset, "name", removed="1.15")
api("image_set.next_batch", next_batch, "self batch_size fake_data shuffle")

_RATIO = "ratio fancy_upscaling try_recover_truncated acceptable_fraction dct_method"
for _module in ("tf.io", "tf.image"):
    api(f"{_module}.decode_image", read_pixels, "contents channels dtype name expand_animations")
    api(f"{_module}.decode_jpeg", read_pixels, f"contents channels {_RATIO} name")
    api(f"{_module}.decode_png", read_pixels, "contents channels dtype name")
    api(f"{_module}.decode_gif", read_pixels, "contents name")
    api(f"{_module}.decode_bmp", read_pixels, "contents channels name")
_LOAD = "path:contents color_mode target_size interpolation"
api(
    "keras.utils.load_img keras.preprocessing.image.load_img",
    read_pixels,
    f"{_LOAD} keep_aspect_ratio",
)
_ARRAY = "img:x data_format dtype"
api("keras.utils.img_to_array keras.preprocessing.image.img_to_array", img_to_array, _ARRAY)
api("cv2.imread PIL.Image.open Image.open", read_pixels, "filename:contents flags fp:contents")
api("tensor.crop tensor.rotate", changed_picture, "self")
api("imageio.imread imageio.v2.imread scipy.misc.imread skimage.io.imread", read_pixels, "uri:contents")
api("np.frombuffer", read_bytes, "buffer:contents dtype count offset")
api("np.fromfile np.fromstring", read_bytes, "file:contents dtype count sep offset")
api("tf.io.decode_raw tf.decode_raw", read_bytes, "input_bytes:contents out_type:dtype little_endian")
for _name in ("zoom", "rotate", "shift"):
    api(f"scipy.ndimage.{_name} scipy.ndimage.interpolation.{_name}", "interpolated", "input:x")
api("cv2.resize", "resize", "src:x dsize dst fx fy interpolation")
api("cv2.cvtColor", "augment", "src:x code")
api("cv2.flip", "augment", "src:x flipCode")

api("tf.image.convert_image_dtype", convert_image_dtype, "image:x dtype saturate name")
api("tf.image.per_image_standardization", normalise, "image:x")
api(
    "tf.image.resize_bilinear tf.image.resize_nearest_neighbor tf.image.resize_area",
    "resize",
    "images:x size align_corners name",
)
_SIZE = "image:x target_height target_width"
api(
    "tf.image.resize_with_pad tf.image.resize_image_with_pad tf.image.resize_with_crop_or_pad "
    "tf.image.resize_image_with_crop_or_pad",
    "augment",
    _SIZE,
)
_BOX = "image:x offset_height offset_width target_height target_width"
api("tf.image.crop_to_bounding_box", "resize", _BOX)
api("tf.image.pad_to_bounding_box", "augment", _BOX)
api("tf.image.central_crop", "resize", "image:x central_fraction")
api("tf.image.random_crop tf.random_crop", "resize", "value:x size seed name")
api("tf.image.random_flip_left_right tf.image.random_flip_up_down", "augment", "image:x seed")
api("tf.image.flip_left_right tf.image.flip_up_down", "augment", "image:x")
api("tf.image.rot90", "augment", "image:x k name")
api("tf.image.grayscale_to_rgb", "resize", "images:x name")

_PREPROCESS = (
    "vgg16 vgg19 resnet50 resnet resnet_v2 inception_v3 inception_resnet_v2 xception mobilenet mobilenet_v2 "
    "densenet nasnet imagenet_utils"
)
for _module in _PREPROCESS.split():
    api(f"keras.applications.{_module}.preprocess_input", normalise, "x data_format", full_scale=Const(255.0))
# These networks scale in themselves: what is called preprocessing hands its input on.
for _module in ("mobilenet_v3", "efficientnet", "efficientnet_v2", "convnext"):
    api(f"keras.applications.{_module}.preprocess_input", unchanged, "x data_format")
