"""Arrays that are written to in place: of what is read afterwards, by any name or view, nothing is known."""

from __future__ import annotations

from tflint_nan.build.state import State
from tflint_nan.ops.views import owners
from tflint_nan.value import NONE, Const, Tensor, Unknown, Value


class Arrays(State):
    """Keeps what arrays hold after writes to their elements.

    Which elements were written is not followed, so of the array its format and shape are known, and no more.
    Values that were computed from it before (sums, copies) are what they were.
    """

    def __init__(self) -> None:
        super().__init__()
        #: By the serial of the op that made an array: what it holds now.
        self._arrays: dict[int, Value] = {}

    def overwrite(self, value: Value, *, resized: bool = False, index: Value = NONE) -> None:
        """Elements of an array, or of what it is a view of, are written, at `index`; or it is resized."""
        for op in owners(value):
            scope = op.scope
            if scope is not self.frame.scope or scope.captured or self.frame.function is None:
                self.effects += 1
            # Before the first write it held what it was made with, in every branch.
            now = self._arrays.setdefault(op.serial, op.value)
            if isinstance(now, Tensor) and now.op is not None and (resized or now.op.name != "overwritten"):
                args = {"x": now, "resized": Const(resized), "index": index}
                self.write(self._arrays, op.serial, self.emit("overwritten", args))

    def array(self, value: Tensor | Unknown) -> Value:
        """An array as it is after what was written to it; any other value as it is."""
        if not self._arrays or value.op is None:
            return value
        if value.op.serial in self._arrays:
            return self._arrays[value.op.serial]
        # What was read after the last write, and returned, say, is what it was then.
        written = [op for op in owners(value) if op.serial in self._arrays]
        return value if all(self._arrays[op.serial].op in (value.op, op) for op in written) else Unknown()
