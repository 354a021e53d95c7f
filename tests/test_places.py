"""Places of nodes: the same as those of LibCST's own providers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import libcst as cst
import pytest
from layouts import AWKWARD
from libcst.metadata import (
    CodePosition,
    CodeRange,
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    WhitespaceInclusivePositionProvider,
)

from tflint_nan.bare import bare
from tflint_nan.parse import SyntaxFault, parse, statements
from tflint_nan.places import Places, children, within
from tflint_nan.source import Source

ROOT = Path(__file__).parent.parent
METHODS = """\
import a

class C(B):
    # f
    @d
    def f(self, x=y):
        z = 1
        return (
            x)

    def g(self):
        a = 2
        b = 3
        return a + b

last = 1
"""
_LAYOUT = (
    *(
        cst.BaseParenthesizableWhitespace,
        cst.TrailingWhitespace,
        cst.EmptyLine,
        cst.LeftParen,
        cst.RightParen,
    ),
    *(cst.LeftSquareBracket, cst.RightSquareBracket, cst.LeftCurlyBrace, cst.RightCurlyBrace),
    *(cst.Comma, cst.Dot, cst.Colon, cst.Semicolon, cst.AssignEqual),
)


def texts() -> list[str]:
    rules = sorted((ROOT / "rules").glob("*.py"))
    return [AWKWARD, METHODS, "", "\n", "x", *(path.read_text(encoding="utf-8") for path in rules[:20])]


def of(text: str, known: Places | None = None) -> tuple[cst.Module, Places]:
    """A bare tree, and its places."""
    tree, rows = bare(statements(text), text)
    return tree, Places(tree, text, rows, None if known is None else known.written)


def theirs(tree: cst.Module, provider: type[PositionProvider]) -> dict[cst.CSTNode, CodeRange]:
    """What LibCST's own provider says."""
    return dict(MetadataWrapper(tree, unsafe_skip_copy=True).resolve(provider))


def both(tree: cst.CSTNode, whole: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """The nodes in a tree, each with that of LibCST's; strings that stand side by side are one for Python."""
    for ours, other in zip(children(tree), children(whole), strict=True):
        yield ours, other
        if not isinstance(other, cst.ConcatenatedString):
            yield from both(ours, other)


@pytest.mark.parametrize("text", texts())
def test_children_are_those_of_libcst_without_layout(text: str) -> None:
    for node in within(cst.parse_module(text)):
        assert children(node) == [child for child in node.children if not isinstance(child, _LAYOUT)]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("text", texts())
def test_places_are_those_of_libcst(text: str, *, turned: bool) -> None:
    """In whatever order they are asked for."""
    whole = cst.parse_module(text)
    tree, places = of(text)
    inner, outer = theirs(whole, PositionProvider), theirs(whole, WhitespaceInclusivePositionProvider)
    nodes = list(both(tree, whole))
    assert nodes or not text.strip()
    for node, other in reversed(nodes) if turned else nodes:
        assert places.holds(node)
        if isinstance(node, cst.FormattedStringText):
            continue  # it stands where its string does
        if isinstance(other, (cst.BaseSuite, cst.BaseStatement)):
            # The lines above and the comments behind are layout, of which some statement has to have each.
            assert places.inner(node).start == inner[other].start
        else:
            assert places.inner(node) == inner[other]
            assert places.outer(node) == outer[other]


@pytest.mark.parametrize("text", texts())
def test_parents_are_those_of_libcst(text: str) -> None:
    whole = cst.parse_module(text)
    tree, places = of(text)
    parents = MetadataWrapper(whole, unsafe_skip_copy=True).resolve(ParentNodeProvider)
    same = {tree: whole, **dict(both(tree, whole))}
    for node, other in same.items():
        holder = places.parent(node)
        assert holder is None if node is tree else same[holder] is parents[other]  # type: ignore[index]
    assert not places.holds(cst.Pass())


def test_what_is_not_of_the_tree_has_no_place() -> None:
    for places in (of(AWKWARD)[1], Places(tree := parse(AWKWARD), AWKWARD, None)):
        with pytest.raises(KeyError):
            places.inner(cst.Pass())
    assert places.inner(tree).start == CodePosition(1, 0)


def test_the_place_of_the_whole() -> None:
    tree, places = of(METHODS)
    assert places.inner(tree) == CodeRange(CodePosition(1, 0), CodePosition(17, 0))


@pytest.mark.parametrize("text", [AWKWARD, METHODS])
def test_a_node_has_the_layout_of_its_text(text: str) -> None:
    whole = cst.parse_module(text)
    tree, places = of(text)
    for node, other in both(tree, whole):
        if isinstance(node, cst.BaseExpression):
            assert whole.code_for_node(places.exact(node)) == whole.code_for_node(other)


def test_the_parts_of_strings_side_by_side() -> None:
    source = Source("a.py", "x = f'{a}' f\"{b}\"\n")
    (string,) = (node for node in within(source.tree) if isinstance(node, cst.FormattedString))
    parts = [part for part, _ in source._places.parts(string)]
    assert [part.end for part in parts if isinstance(part, cst.FormattedString)] == ["'", '"']
    names = [node for node in within(string) if isinstance(node, cst.Name)]
    assert [source.span(name).start.column for name in names] == [8, 15]


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that LibCST reads for places from now on."""
    read: list[str] = []
    monkeypatch.setattr("tflint_nan.places.parse", lambda text: read.append(text) or parse(text))
    return read


def test_only_the_statement_around_a_node_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    tree, places = of(METHODS)
    imported, cls, last = tree.body
    assert isinstance(cls, cst.ClassDef)
    (method, _) = cls.body.body
    assert isinstance(method, cst.FunctionDef)
    read = asked(monkeypatch)
    assert places.inner(method.body.body[0]) == CodeRange(CodePosition(7, 8), CodePosition(7, 13))
    assert places.inner(imported) == CodeRange(CodePosition(1, 0), CodePosition(1, 8))
    assert places.inner(last).start == CodePosition(16, 0)
    assert places.inner(method.params.params[1]).start == CodePosition(6, 16)
    assert read == [
        "class _:\n        z = 1\n",
        "import a\n",
        "last = 1\n",
        "class _:\n" + "".join(f"{line}\n" for line in METHODS.split("\n")[4:9]),
    ]


EDITS = {
    "a row above": ("import a\n", "import a\nimport b\n"),
    "a comment above a body": ("    def f(self):\n", "    def f(self):\n        # More.\n"),
    "rows gone": ("# Nothing\n# to see.\n", ""),
    "in one of them": ("y = 3", "y = (3 +\n            4)"),
    "no Python in between": ("y = 3", "y = ("),
}
TYPED = """\
import a
# Nothing
# to see.


class A(B):
    def f(self):
        x = 1
        if x:
            y = 2
        return [x,
            y]

    @a
    def g(self, z=(1,
                   2)):
        x = 2
        y = 3
        return x


def k():
    # A comment.
    for i in a:
        print(
            i)
    while a:
        pass
"""


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_read_before_an_edit_is_not_read_again(edit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def positions(source: Source) -> list[object]:
        return [source.outer_span(node) for node in within(source.tree)]

    before = Source("a.py", TYPED)
    positions(before)
    text = TYPED.replace(*EDITS[edit])
    after = Source("a.py", text)
    after.follow(before)
    if edit == "no Python in between":
        text = TYPED
        last = Source("a.py", text)
        last.follow(after)
        after = last
    read = asked(monkeypatch)
    found = positions(after)
    assert not any("for i" in part or "while" in part for part in read)
    assert found == positions(Source("a.py", text))


def test_what_is_newer_than_libcst_stands_where_its_statement_does(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> cst.Module:
        raise SyntaxFault("too new", None)  # type: ignore[arg-type]

    monkeypatch.setattr("tflint_nan.places.parse", refuse)
    source = Source("a.py", "def f():\n    x = [\n      y]\n\nz = 1\n")
    for node in within(source.tree):
        if isinstance(node, cst.Name) and node.value in "xy":
            assert (source.span(node).start.row, source.span(node).end.row) == (2, 3)
        if isinstance(node, cst.Integer):
            assert (source.span(node).start.row, source.span(node).end.row) == (5, 5)
