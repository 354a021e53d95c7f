"""Which of the tensors that were put together an index, a slice or a split takes out again.

`mean, scale = tf.split(tf.concat([a, softplus(b)], -1), 2, axis=-1)` are `a` and `softplus(b)`, each with its
own range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tflint_nan.ops.points import integer, integers, is_given
from tflint_nan.value import Const, Items, Op, Value

Args = Mapping[str, Value]


def of_index(args: Args) -> Args:
    """`x[index]`, or what the part alone is indexed with where only one of several is asked for."""
    x, index = args.get("x"), args.get("index")
    together = None if x is None else _together(x)
    if x is None or x.shape is None or index is None or together is None:
        return args
    name, values, axis = together
    components = list(index.items) if isinstance(index, Items) and index.kind != "slice" else [index]
    place = _component(components, axis, len(x.shape))
    if place is None:
        return args
    asked = _asked(components[place], x.shape[axis])
    if asked is None:
        last = _counted_back(values, axis, components[place]) if name == "concat" else None
        if last is None:
            return args
        components[place] = last[1]
        return of_index({**args, "x": last[0], "index": Items(tuple(components))})
    found = _part(name, values, axis, *asked)
    if found is None:
        return args
    part, offset = found
    if name == "stack":
        if _is_integer(components[place]):
            del components[place]
        else:
            components[place] = Const(None)  # one of those that were stacked, along an axis of its own
    else:
        components[place] = _shifted(components[place], asked, offset)
    rest: Value = Items(tuple(components)) if components else Const(Ellipsis)
    return of_index({**args, "x": part, "index": rest})


def takes_all(op: Op) -> bool:
    """Whether an index takes every element, along other axes or not: `x[:, None]`, `x[...]`."""
    index = op.args.get("index")
    if index is None:
        return False
    parts = index.items if isinstance(index, Items) and index.kind != "slice" else (index,)
    ends = (part.items if isinstance(part, Items) else (part,) for part in parts)
    return all(end.literal in (None, Ellipsis) for each in ends for end in each)


def takes_columns(op: Op) -> bool:
    """Whether an index takes some elements along the last of several axes: `x[:, 1]`, `x[..., :4]`."""
    index = op.args.get("index")
    if not isinstance(index, Items) or index.kind == "slice" or len(index.items) < 2:
        return False
    last = index.items[-1]
    ends = last.items if isinstance(last, Items) and last.kind == "slice" else (last,)
    return any(end.literal not in (None, Ellipsis) for end in ends)


def of_split(args: Args) -> Args:
    """One part of a split, or of an axis taken apart."""
    x, part, sizes = args.get("x"), args.get("part"), args.get("num")
    together = None if x is None else _together(x)
    if x is None or x.shape is None or part is None or sizes is None or together is None:
        return args
    name, values, axis = together
    number, along = integer(part), _along(args)
    if number is None or along is None or along % len(x.shape) != axis:
        return args
    if name == "concat" and _is_split_as_joined(values, axis, sizes):
        return {**args, "x": values[number]}
    asked = _split_range(x.shape[axis], number, sizes)
    found = None if asked is None else _part(name, values, axis, *asked)
    return args if found is None else {**args, "x": found[0]}


def among(op: Op) -> Sequence[Value]:
    """The tensors that were put together and of which `op` takes some elements, it is not known of which."""
    x = op.arg("x")
    made = x.op
    if made is None or made.name not in ("concat", "stack"):
        return ()
    values, axis = made.arg("values"), integer(made.arg("axis")) if is_given(made.arg("axis")) else 0
    if not isinstance(values, Items) or len(values.items) < 2 or axis is None:
        return ()
    return values.items if _divides(op, axis) else ()


def _divides(op: Op, axis: int) -> bool:
    """Whether an op takes some elements along an axis of its `x`, of which it may be the last of any."""
    rank = None if op.arg("x").shape is None else len(op.arg("x").shape or ())
    if op.name == "split":
        along = _along(op.args)
        return along == axis or (rank is not None and along is not None and along % rank == axis % rank)
    index = op.args.get("index")
    if index is None:
        return False
    components = list(index.items) if isinstance(index, Items) and index.kind != "slice" else [index]
    taking = [part for part in components if part.literal is not None]
    if rank:
        place = _component(components, axis % rank, rank)
    else:
        dots = any(part.literal is Ellipsis for part in taking)
        last = axis == -1 and len(taking) > 1
        place = components.index(taking[-1]) if last else None
        if not last and not dots and 0 <= axis < len(taking):
            place = components.index(taking[axis])
    part = None if place is None else components[place]
    whole = isinstance(part, Items) and all(end.literal is None for end in part.items)
    return part is not None and part.literal is not Ellipsis and not whole


def _together(x: Value) -> tuple[str, Sequence[Value], int] | None:
    """How `x` was put together: the operation, its operands and the axis, counted from the first."""
    made = x.op
    if made is None or made.name not in ("concat", "stack") or not x.shape:
        return None
    values = made.arg("values")
    axis = integer(made.arg("axis")) if is_given(made.arg("axis")) else 0
    if not isinstance(values, Items) or not values.complete or axis is None:
        return None
    return (made.name, values.items, axis % len(x.shape)) if -len(x.shape) <= axis < len(x.shape) else None


def _component(components: Sequence[Value], axis: int, rank: int) -> int | None:
    """Which component of an index stands for the axis; None where the whole axis is taken."""
    taking = [place for place, part in enumerate(components) if part.literal is not None]
    dots = next((n for n, place in enumerate(taking) if components[place].literal is Ellipsis), None)
    if dots is None or axis < dots:
        return taking[axis] if axis < len(taking) and axis != dots else None
    behind = len(taking) - 1 - dots
    from_end = rank - axis
    return taking[len(taking) - from_end] if from_end <= behind else None


def _is_integer(component: Value) -> bool:
    return not isinstance(component, Items) and integer(component) is not None


def _asked(component: Value, length: int | None) -> tuple[int, int] | None:
    """The elements from a first to before a last that a component takes of an axis."""
    if _is_integer(component):
        first = integer(component)
        assert first is not None
        if first < 0:
            return None if length is None else (first + length, first + length + 1)
        return first, first + 1
    if not isinstance(component, Items) or component.kind != "slice":
        return None
    if length is None or any(item.literal is not None and integer(item) is None for item in component.items):
        return None
    taken = range(length)[slice(*(integer(item) for item in component.items))]
    return (taken.start, taken.stop) if taken.step == 1 and taken else None


def _counted_back(values: Sequence[Value], axis: int, component: Value) -> tuple[Value, Value] | None:
    """The operand that a component asks for which counts from the end, and what it asks of that.

    So it does not matter how long the other operands are.
    """
    lengths = [_length(value, axis) for value in values]
    last = lengths[-1] if lengths else None
    if _is_integer(component):
        return (
            (values[-1], component) if last is not None and -last <= (integer(component) or 0) < 0 else None
        )
    if not isinstance(component, Items) or component.kind != "slice":
        return None
    if any(item.literal is not None and integer(item) is None for item in component.items):
        return None
    first, stop, step = (integer(item) for item in component.items)
    if step not in (None, 1):
        return None
    if stop is None and first is not None and last is not None and -last <= first < 0:
        return values[-1], component
    behind = None if None in lengths[1:] else sum(length or 0 for length in lengths[1:])
    whole = Items((Const(None), Const(None), Const(None)), "slice")
    return (values[0], whole) if not first and stop is not None and behind and stop == -behind else None


def _is_split_as_joined(values: Sequence[Value], axis: int, sizes: Value) -> bool:
    """Whether the sizes of a split are the lengths of the operands, all but one of them known."""
    if not isinstance(sizes, Items) or len(sizes.items) != len(values):
        return False
    pairs = [(integer(size), _length(value, axis)) for size, value in zip(sizes.items, values, strict=True)]
    unknown = [pair for pair in pairs if None in pair or -1 in pair]
    return len(unknown) == 1 and all(one == other for one, other in pairs if (one, other) not in unknown)


def _length(value: Value, axis: int) -> int | None:
    return value.shape[axis] if value.shape is not None and axis < len(value.shape) else None


def _along(args: Args) -> int | None:
    """The axis of a split."""
    return integer(args["axis"]) if "axis" in args and is_given(args["axis"]) else 0


def _shifted(component: Value, asked: tuple[int, int], offset: int) -> Value:
    first, last = asked[0] - offset, asked[1] - offset
    if _is_integer(component):
        return Const(first)
    return Items((Const(first), Const(last), Const(None)), "slice")


def _split_range(length: int | None, part: int, sizes: Value) -> tuple[int, int] | None:
    """The elements that one part has of an axis of that length."""
    if isinstance(sizes, Items):
        lengths = integers(sizes) or ()
        if any(n is None or n < 0 for n in lengths[: part + 1]) or part >= len(lengths):
            return None
        known = [n for n in lengths[: part + 1] if n is not None]
        return sum(known[:-1]), sum(known)
    count = integer(sizes)
    if not count or length is None or length % count:
        return None
    return part * (length // count), (part + 1) * (length // count)


def _part(name: str, values: Sequence[Value], axis: int, first: int, last: int) -> tuple[Value, int] | None:
    """The one operand that holds these elements of the axis, and where it starts."""
    if name == "stack":
        return (values[first], first) if last == first + 1 and first < len(values) else None
    start = 0
    for value in values:
        length = _length(value, axis)
        if length is None:
            return None
        if start <= first and last <= start + length:
            return value, start
        start += length
    return None
