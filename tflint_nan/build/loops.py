"""Loops: every turn after the first starts from what all turns before it may have left."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import libcst as cst

from tflint_nan.build.patterns import Patterns
from tflint_nan.build.state import Change, Known, all_places
from tflint_nan.ops.widening import TURNS, covers, forgotten, widened
from tflint_nan.value import NONE, Items, Value

#: Loops nested deeper than this are read once, and what they write is forgotten: time grows with the text.
MAX_DEPTH = 2
#: So many ways out of a loop are told apart; where there are more, what the loop writes is forgotten.
MAX_EXITS = 16

#: What a branch wrote (see `State.rewind`).
Changes = Mapping[tuple[int, Any], Change]
Block = Sequence[cst.BaseStatement | cst.BaseSmallStatement]


class Flow(Enum):
    """How a block ends."""

    NEXT = auto()  # falls through to what follows
    BREAK = auto()
    CONTINUE = auto()
    LEAVE = auto()  # return or raise


@dataclass(slots=True)
class Loop:
    """A loop that is being read: marks of the journal, and the states in which its body was left."""

    start: int
    turn: int = 0
    breaks: list[Changes] = field(default_factory=list)
    continues: list[Changes] = field(default_factory=list)
    #: What was written where a way out was not told apart.
    lost: dict[tuple[int, Any], Change] = field(default_factory=dict)


class Loops(Patterns):
    """Reads the bodies of loops."""

    def __init__(self) -> None:
        super().__init__()
        self._loops: list[Loop] = []
        self._repeated = 0

    @abstractmethod
    def execute(self, body: Block) -> Flow:
        """Run a block."""

    def _break(self, node: cst.Break) -> Flow:
        if self._loops:
            loop = self._loops[-1]
            self._leave(loop, loop.breaks, loop.start)
        return Flow.BREAK

    def _continue(self, node: cst.Continue) -> Flow:
        if self._loops:
            loop = self._loops[-1]
            self._leave(loop, loop.continues, loop.turn)
        return Flow.CONTINUE

    def _leave(self, loop: Loop, ways: list[Changes], mark: int) -> None:
        if len(ways) < MAX_EXITS:
            ways.append(self.written_since(mark))
        elif not loop.lost:
            loop.lost.update(self.written_since(loop.start))

    def _turn(self, loop: Loop, body: Block, begin: Callable[[], None]) -> list[Changes]:
        """The states in which one turn comes to its end; the state itself is as before the turn."""
        loop.turn = self.fork()
        loop.continues = []
        begin()
        flow = self.execute(body)
        changes = self.rewind(loop.turn)
        return [*loop.continues, changes] if flow is Flow.NEXT else loop.continues

    def unrolled(self, body: Block, turns: Sequence[Callable[[], None]], orelse: Block) -> Flow:
        """A loop whose turns are all known."""
        loop = Loop(self.fork())
        self._loops.append(loop)
        going = True
        for begin in turns:
            ends = self._turn(loop, body, begin)
            going = bool(ends)
            if not going:
                break
            self.merge(ends)
        return self._after(loop, going, orelse)

    def repeated(
        self, body: Block, begin: Callable[[], None], orelse: Block, *, endless: bool = False
    ) -> Flow:
        """A loop of any number of turns: read until what its turns leave is known, or forgotten.

        `endless` loops end by a `break` only.
        """
        loop = Loop(self.fork())
        self._loops.append(loop)
        self._repeated += 1
        written: dict[tuple[int, Any], Change] = {}
        known = False
        for again in range(TURNS if self._repeated <= MAX_DEPTH else 1):
            loop.breaks = []
            ends = self._turn(loop, body, begin)
            for changes in (*ends, *loop.breaks):
                written.update(changes)
            # A list that a turn makes longer is another one after each further turn.
            grows = any(map(_grows, ends))
            known = self._again(ends, again > 0) and again > 0
            if known or grows:
                break
        if not known:
            self._forget(written)
            loop.lost.update(written)
            if self._repeated <= MAX_DEPTH:
                self._turn(loop, body, begin)  # what is read in the body holds for every turn, too
        self._repeated -= 1
        return self._after(loop, not endless or not loop.breaks, orelse)

    def _again(self, ends: Sequence[Changes], widen: bool) -> bool:
        """Go on to the next turn, from what any turn may have left; True where it brought nothing new."""
        stable = True
        for names, key, values in _places(ends):
            before: Value | None = names.get(key)
            after = before
            for value in values:
                after = value if after is None else self.join(after, value)
            assert after is not None
            if before is None or not covers(before, after):
                stable = False
                if widen and before is not None:
                    after = widened(before, after)
            self.write(names, key, after)
        return stable

    def _forget(self, written: Changes) -> None:
        for names, key, value in written.values():
            now = names.get(key, value)
            if now is not None:
                self.write(names, key, NONE if type(names) is Known else forgotten(now))

    def _after(self, loop: Loop, normally: bool, orelse: Block) -> Flow:
        """What follows the loop: its `else`, and the states in which it was left."""
        self._loops.pop()
        flow = Flow.NEXT
        if normally and orelse:
            flow = self.execute(orelse)
        end = self.rewind(loop.start)
        ways = [end, *loop.breaks] if normally and flow is Flow.NEXT else loop.breaks
        if ways:
            self.merge(ways)
            self._forget(loop.lost)
            return Flow.NEXT
        self.merge([end])
        return flow if normally and orelse else Flow.LEAVE


def _grows(changes: Changes) -> bool:
    """Whether a list is longer than it was."""
    for names, key, value in changes.values():
        if isinstance(value, Items):
            before = names.get(key)
            if isinstance(before, Items) and len(before.items) < len(value.items):
                return True
    return False


def _places(ends: Sequence[Changes]) -> list[tuple[dict[Any, Value], Any, list[Value]]]:
    """Each place that was written, and with what; what tests have said holds in a turn alone."""
    found = []
    for place, (names, key, _) in (all_places(ends) if ends else {}).items():
        if type(names) is Known:
            continue
        values = [value for changes in ends if place in changes and (value := changes[place][2]) is not None]
        if values:
            found.append((names, key, values))
    return found
