"""`tf.data` pipelines, Keras's directory loaders and image generators: objects of kind `dataset`.

A dataset's attribute `element` is what iteration over it yields, as one value: a tensor, a tuple or a
dict of tensors. Iterating, `map`, `zip` and `fit` read it from there.
"""

from __future__ import annotations

from tflint_nan.ops.data import IMAGES, images, labels
from tflint_nan.ops.handlers import harmless, number, receiver, text, truth, unknown
from tflint_nan.ops.points import dtype_named
from tflint_nan.ops.table import BASES, Call, Facts, Machine, api, operator
from tflint_nan.value import NONE, UNKNOWN, Const, Items, Object, Op, Table, Value


@operator("batch", flow=("x",))
def _batch(op: Op) -> Facts:
    """Several elements (`size`, the last time maybe less) in one tensor: a new first axis."""
    x = op.arg("x")
    shape = None if x.shape is None else (None, *x.shape)
    return Facts(x.interval, x.witnesses, x.dtype, shape)


def dataset(machine: Machine, call: Call, element: Value) -> Object:
    """A dataset of these elements."""
    return machine.new("dataset", call, element=element)


def element_of(machine: Machine, value: Value) -> Value:
    """What a dataset yields, UNKNOWN where that is not known; of a project's sequence, any batch."""
    if not isinstance(value, Object):
        return UNKNOWN
    if value.cls is not None and value.kind == "dataset" and "element" not in value.attrs:
        return machine.call(machine.get(value, "__getitem__"), [UNKNOWN], {})
    return value.attrs.get("element", UNKNOWN)


def each(machine: Machine, operator: str, value: Value, args: dict[str, Value]) -> Value:
    """An operation on each tensor of a tuple or dict of tensors."""
    if isinstance(value, Items):
        return Items(tuple(each(machine, operator, item, args) for item in value.items), value.kind)
    if isinstance(value, Table):
        items = {key: each(machine, operator, item, args) for key, item in value.items.items()}
        return Table(items, value.complete)
    return value if value.op is None else machine.emit(operator, {"x": value, **args})


def in_batches(machine: Machine, call: Call, value: Value) -> Value:
    """As many elements in one tensor as a call is told by `batch_size`."""
    given = call.arg("batch_size")
    return each(machine, "batch", value, {"size": given} if number(given) is not None else {})


def from_slices(machine: Machine, call: Call) -> Value:
    """`Dataset.from_tensor_slices((x, y))`: one row of each."""
    return dataset(machine, call, each(machine, "slice", call.arg("tensors"), {"index": Const(0)}))


def from_tensors(machine: Machine, call: Call) -> Value:
    """`Dataset.from_tensors(x)`: the whole, once."""
    return dataset(machine, call, call.arg("tensors"))


def from_generator(machine: Machine, call: Call) -> Value:
    """`Dataset.from_generator(f)`: what the function yields, as `output_signature` says it is."""
    made = machine.call(call.arg("generator"), [], {})
    return dataset(machine, call, _signed(machine, element_of(machine, made), call.arg("output_signature")))


def _signed(machine: Machine, element: Value, said: Value) -> Value:
    """An element converted to the formats of a signature, of its lengths: others are refused."""
    if isinstance(element, Items) and isinstance(said, Items) and len(element.items) == len(said.items):
        parts = zip(element.items, said.items, strict=True)
        return Items(tuple(_signed(machine, one, spec) for one, spec in parts), element.kind)
    if isinstance(element, Table) and isinstance(said, Table):
        signed = {key: _signed(machine, one, said.items.get(key, NONE)) for key, one in element.items.items()}
        return Table(signed, element.complete)
    if element.op is None or not isinstance(said, Object) or said.kind != "tensor_spec":
        return element
    dtype = said.config("dtype")
    name = "float32" if dtype is NONE else dtype_named(dtype)
    if name is not None and element.dtype != name:
        element = machine.emit("cast", {"x": element, "dtype": Const(name)})
    return machine.emit("identity", {"x": element, "shape": said.config("shape")})


def specified(machine: Machine, call: Call) -> Value:
    """`tf.TensorSpec(shape, dtype)`."""
    return machine.new("tensor_spec", call)


def not_known(machine: Machine, call: Call) -> Value:
    """A dataset of elements that are not known."""
    return dataset(machine, call, UNKNOWN)


def joined_queue(machine: Machine, call: Call) -> Value:
    """`tf.train.batch_join([tensors, ...], n)`: batches of what any of the readers gives."""
    readers = machine.elements(call.arg("tensors"))
    return _queued(machine, call, readers[0]) if readers and len(readers) == 1 else UNKNOWN


def sliced(machine: Machine, call: Call) -> Value:
    """`tf.train.slice_input_producer([x, y])`: one row of each."""
    return each(machine, "slice", call.arg("tensors"), {"index": Const(0)})


def windows(machine: Machine, call: Call) -> Value:
    """`timeseries_dataset_from_array(data, targets, ...)`: batches of windows, and their targets."""
    x, y = (each(machine, "gather", call.arg(name), {}) for name in ("data", "targets"))
    return dataset(machine, call, x if y is NONE else Items((x, y)))


def queue(machine: Machine, call: Call) -> Value:
    """`tf.train.batch(tensors, n)`: one more axis, unless each tensor is a batch already."""
    return _queued(machine, call, call.arg("tensors"))


def _queued(machine: Machine, call: Call, tensors: Value) -> Value:
    if truth(call.arg("enqueue_many"), False) is False:
        return in_batches(machine, call, tensors)
    return each(machine, "slice", tensors, {})


def zipped(machine: Machine, call: Call) -> Value:
    """`Dataset.zip((a, b))`, `Dataset.zip(a, b)`."""
    first = call.arg("datasets")
    parts = first.items if isinstance(first, Items) else (first, *call.rest)
    return dataset(machine, call, Items(tuple(element_of(machine, part) for part in parts)))


def mapped(machine: Machine, call: Call) -> Value:
    """`dataset.map(f)`: `f` of an element; a tuple is given as several arguments."""
    element = element_of(machine, call.arg("self"))
    args = list(element.items) if isinstance(element, Items) and element.kind == "tuple" else [element]
    return dataset(machine, call, machine.call(call.arg("function"), args, {}))


def flat_mapped(machine: Machine, call: Call) -> Value:
    """`dataset.flat_map(f)`, `dataset.interleave(f)`: the elements of the datasets that `f` gives."""
    made = mapped(machine, call)
    return dataset(machine, call, element_of(machine, element_of(machine, made)))


def same(machine: Machine, call: Call) -> Value:
    """A dataset of the same elements in another order or number."""
    return dataset(machine, call, element_of(machine, call.arg("self")))


def batched(machine: Machine, call: Call) -> Value:
    """`dataset.batch(n)`."""
    return dataset(machine, call, in_batches(machine, call, element_of(machine, call.arg("self"))))


def unbatched(machine: Machine, call: Call) -> Value:
    """`dataset.unbatch()`: one row of each tensor."""
    element = element_of(machine, call.arg("self"))
    return dataset(machine, call, each(machine, "slice", element, {"index": Const(0)}))


def enumerated(machine: Machine, call: Call) -> Value:
    """`dataset.enumerate()`: a number and an element."""
    return dataset(machine, call, Items((UNKNOWN, element_of(machine, call.arg("self")))))


def applied(machine: Machine, call: Call) -> Value:
    """`dataset.apply(f)`: `f` of the dataset."""
    made = machine.call(call.arg("function"), [call.arg("self")], {})
    return made if isinstance(made, Object) else dataset(machine, call, UNKNOWN)


def next_element(machine: Machine, call: Call) -> Value:
    """`iterator.get_next()`, `next(generator)`: an element."""
    return element_of(machine, call.arg("self"))


def by_mode(machine: Machine, call: Call, pixels: Value, mode: str | None) -> Value:
    """A generator's element: images, and labels as its mode encodes them."""
    if mode is None:
        return pixels
    ids = labels(machine, call, 2 if mode == "binary" else None)
    if mode == "categorical":
        ids = machine.emit("one_hot", {"x": ids}, call=call)
    elif mode not in ("binary", "int", "sparse"):
        ids = unknown(machine, call=call)
    return Items((pixels, ids))


def from_directory(machine: Machine, call: Call) -> Value:
    """`image_dataset_from_directory(...)`: batches of raw pixels as float32, and labels."""
    given = call.arg("label_mode")
    mode = text(given) if "label_mode" in call.args else "int"
    if given.literal is not None and mode is None:
        return not_known(machine, call)
    args = {"source": call.arg("directory"), "dtype": Const("float32")}
    args["shape"] = Items((NONE, NONE, NONE, NONE))
    element = by_mode(machine, call, machine.emit("pixels", args, call=call), mode)
    if text(call.arg("subset")) == "both":
        return Items((dataset(machine, call, element), dataset(machine, call, element)))
    return dataset(machine, call, element)


def make_generator(machine: Machine, call: Call) -> Value:
    """`ImageDataGenerator(rescale=...)`."""
    return machine.new("image_generator", call)


def generated(machine: Machine, generator: Object, x: Value) -> Value:
    """Images as a generator hands them out: preprocessed, rescaled, centred."""
    function, rescale = generator.config("preprocessing_function"), generator.config("rescale")
    if function.literal is not None:
        x = machine.call(function, [x], {})
    if rescale.literal is not None and number(rescale) != 0:
        x = machine.emit("rescaling", {"x": x, "scale": rescale}, at=generator.made)
    normal = (
        "featurewise_center",
        "samplewise_center",
        "featurewise_std_normalization",
        "samplewise_std_normalization",
    )
    if any(truth(generator.config(name), False) is not False for name in normal):
        x = machine.emit("scaled", {"x": x}, at=generator.made)
    return x


def flow(machine: Machine, call: Call) -> Value:
    """`generator.flow(x, y)`."""
    generator, x = receiver(call), call.arg("x")
    if generator is None:
        return not_known(machine, call)
    if isinstance(x, Items) and len(x.items) == 2:
        pixels, y = x.items
        return dataset(machine, call, Items((generated(machine, generator, pixels), y)))
    pixels, y = generated(machine, generator, x), call.arg("y")
    return dataset(machine, call, pixels if y is NONE else Items((pixels, y)))


def flow_from_files(machine: Machine, call: Call) -> Value:
    """`generator.flow_from_directory(...)`: raw pixels from files, as the generator changes them."""
    generator = receiver(call)
    given = call.arg("class_mode")
    mode = text(given) if "class_mode" in call.args else "categorical"
    if generator is None or (given.literal is not None and mode is None):
        return not_known(machine, call)
    args = {"source": call.arg("directory"), "dtype": Const("float32")}
    args["shape"] = Items((NONE, NONE, NONE, NONE))
    pixels = generated(machine, generator, machine.emit("pixels", args, call=call))
    return dataset(machine, call, by_mode(machine, call, pixels, mode))


def tfds_load(machine: Machine, call: Call) -> Value:
    """`tfds.load(name, split, as_supervised, with_info)`."""
    name = (text(call.arg("name")) or "").partition(":")[0].partition("/")[0]
    if name not in IMAGES or truth(call.arg("with_info"), False) is None:
        return UNKNOWN
    split = call.arg("split")

    def part() -> Value:
        element = _example(machine, call, name)
        if call.arg("batch_size").literal is not None:
            element = in_batches(machine, call, element)
        return dataset(machine, call, element)

    result: Value
    parts = machine.elements(split)
    if parts is not None:
        result = Items(tuple(part() for _ in parts), "list")
    elif split is NONE:
        result = Table({"train": part(), "test": part()}, complete=False)
    else:
        result = part()
    return Items((result, UNKNOWN)) if truth(call.arg("with_info"), False) else result


def _example(machine: Machine, call: Call, name: str) -> Value:
    pixels = machine.emit(
        "slice", {"x": images(machine, call, name, channels=True), "index": Const(0)}, call=call
    )
    ids = machine.emit("slice", {"x": labels(machine, call, IMAGES[name][1]), "index": Const(0)}, call=call)
    supervised = truth(call.arg("as_supervised"), False)
    if supervised is None:
        return UNKNOWN
    return Items((pixels, ids)) if supervised else Table({"image": pixels, "label": ids}, complete=False)


BASES |= dict.fromkeys(("keras.utils.Sequence", "keras.utils.PyDataset"), "dataset")
_DATASET = "tf.data.Dataset."
api(f"{_DATASET}from_tensor_slices", from_slices, "tensors name")
api("tf.contrib.data.Dataset.from_tensor_slices", from_slices, "tensors", removed="1.15")
api(f"{_DATASET}from_tensors", from_tensors, "tensors name")
api(
    f"{_DATASET}from_generator",
    from_generator,
    "generator output_types output_shapes args output_signature name",
)
api("tf.TensorSpec", specified, "shape dtype name")
api(f"{_DATASET}list_files", not_known, "file_pattern shuffle seed name")
api(f"{_DATASET}range", not_known, "")
api("tf.data.TFRecordDataset tf.data.TextLineDataset", not_known, "filenames")
api("tf.train.batch", queue, "tensors batch_size num_threads capacity enqueue_many")
api(
    "tf.train.shuffle_batch",
    queue,
    "tensors batch_size capacity min_after_dequeue num_threads seed enqueue_many",
)
api("tf.train.maybe_batch", queue, "tensors keep_input batch_size num_threads capacity enqueue_many")
api(
    "tf.train.maybe_shuffle_batch",
    queue,
    "tensors batch_size capacity min_after_dequeue keep_input num_threads seed enqueue_many",
)
for _name in ("batch_join", "shuffle_batch_join"):
    api(f"tf.train.{_name}", joined_queue, "tensors_list:tensors batch_size")
for _name in ("maybe_batch_join", "maybe_shuffle_batch_join"):
    _second = "keep_input" if _name == "maybe_batch_join" else "batch_size"
    api(f"tf.train.{_name}", joined_queue, f"tensors_list:tensors {_second}")
api("tf.train.slice_input_producer", sliced, "tensor_list:tensors num_epochs shuffle")
api("tf.train.limit_epochs", "identity", "tensor:x num_epochs name")
api(
    "keras.utils.timeseries_dataset_from_array keras.preprocessing.timeseries_dataset_from_array",
    windows,
    "data targets sequence_length sequence_stride sampling_rate batch_size",
)
api(
    "keras.utils.text_dataset_from_directory keras.preprocessing.text_dataset_from_directory "
    "keras.utils.audio_dataset_from_directory",
    not_known,
    "directory labels label_mode class_names batch_size",
)
api(f"{_DATASET}zip", zipped, "datasets")
api("dataset.map", mapped, "self map_func:function num_parallel_calls")
api("dataset.interleave", flat_mapped, "self map_func:function cycle_length")
api("dataset.flat_map", flat_mapped, "self map_func:function name")
api("dataset.apply", applied, "self transformation_func:function")
api("dataset.batch", batched, "self batch_size drop_remainder")
api("dataset.padded_batch", batched, "self batch_size padded_shapes")
api("dataset.unbatch", unbatched, "self name")
api("dataset.enumerate", enumerated, "self start name")
api("dataset.shuffle", same, "self buffer_size seed reshuffle_each_iteration")
api("dataset.repeat dataset.take dataset.skip", same, "self count name")
api("dataset.prefetch", same, "self buffer_size name")
api("dataset.cache", same, "self filename name")
api("dataset.filter", same, "self predicate name")
api("dataset.shard", same, "self num_shards index")
api("dataset.concatenate", same, "self dataset name")
api("dataset.with_options", same, "self options name")
api("dataset.make_one_shot_iterator dataset.make_initializable_iterator", same, "self shared_name")
api("dataset.as_numpy_iterator dataset.__iter__", same, "self")
api("tf.data.make_one_shot_iterator tf.data.make_initializable_iterator", same, "dataset:self")
api("dataset.get_next dataset.next dataset.__next__", next_element, "self name")
api("dataset.__getitem__", next_element, "self index")

_DIRECTORY = "directory labels label_mode class_names color_mode batch_size image_size shuffle seed"
api(
    "keras.utils.image_dataset_from_directory keras.preprocessing.image_dataset_from_directory",
    from_directory,
    f"{_DIRECTORY} validation_split subset interpolation",
)
api(
    "keras.preprocessing.image.ImageDataGenerator",
    make_generator,
    "featurewise_center samplewise_center featurewise_std_normalization samplewise_std_normalization "
    "zca_whitening zca_epsilon rotation_range width_shift_range height_shift_range brightness_range "
    "shear_range zoom_range channel_shift_range fill_mode cval horizontal_flip vertical_flip rescale "
    "preprocessing_function",
)
api("image_generator.flow", flow, "self x y batch_size shuffle")
api(
    "image_generator.flow_from_directory",
    flow_from_files,
    "self directory target_size color_mode classes class_mode batch_size shuffle",
)
api(
    "image_generator.flow_from_dataframe",
    flow_from_files,
    "self dataframe directory x_col y_col weight_col target_size color_mode classes class_mode batch_size",
)
api("image_generator.fit", harmless, "self x augment rounds seed")
api(
    "tfds.load",
    tfds_load,
    "name split data_dir batch_size shuffle_files download as_supervised decoders read_config with_info",
)
