"""Places of nodes: the same as those of LibCST's own providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import libcst as cst
import pytest
from libcst.metadata import (
    CodeRange,
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    WhitespaceInclusivePositionProvider,
)

from tflint_nan.outline import Outline
from tflint_nan.parse import parse, python_tree
from tflint_nan.places import Places, Written, children
from tflint_nan.source import Source

ROOT = Path(__file__).parent.parent
AWKWARD = """\
# A comment first.

@ decorator (1 , * a , ** b) # c
async  def f ( a , / , b : int = ( 1 ) , * , c = 'x' 'y' , ** d ) -> None :
\tx , ( y ) = ( ( a ) ) if ( not b ) else [ i for i in c if i ] ; return
\tawait g ( f'{x!r:>{y}} {{}}' )   # d


class C ( A , metaclass = M ) :
    x : int
    'doc'
    lambda : ( yield ) ; del a [ 1 : 2 , ... ]
    with ( a as b , c ) : pass
    try : pass
    except ( E ) as e : raise E from e
    finally : a . b += -1 ** ~ 2
    match x :
        case [ 1 , * rest ] | { 'a' : b , ** c } if d : pass
    while 1 \\
        : global q ; assert x , 'y'
    else : import a . b as c , d
    from . a import ( b , c as d , )

x = (
    1  # one
    + 2
)
"""
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


def texts() -> list[str]:
    return [
        AWKWARD,
        "",
        "\n",
        "x",
        *(path.read_text() for path in sorted((ROOT / "rules").glob("*.py"))[:20]),
    ]


def of(tree: cst.Module, text: str, whole: Callable[[], object] | None = None) -> Places:
    return Places(tree, lambda: python_tree(text).body, whole)


def theirs(tree: cst.Module, provider: type[PositionProvider]) -> dict[cst.CSTNode, CodeRange]:
    """What LibCST's own provider says, but for the module, of which it says a little less than all."""
    found = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(provider)
    return {node: place for node, place in found.items() if node is not tree}


def within(tree: cst.Module) -> list[cst.CSTNode]:
    """The nodes of a tree that are no layout, the tree first."""
    todo: list[cst.CSTNode] = [tree]
    for node in todo:
        todo += children(node)
    return todo


@pytest.mark.parametrize("text", texts())
def test_children_are_those_of_libcst_without_layout(text: str) -> None:
    layout = (
        *(
            cst.BaseParenthesizableWhitespace,
            cst.TrailingWhitespace,
            cst.EmptyLine,
            cst.LeftParen,
            cst.RightParen,
        ),
        *(cst.LeftSquareBracket, cst.RightSquareBracket),
        *(
            cst.LeftCurlyBrace,
            cst.RightCurlyBrace,
            cst.Comma,
            cst.Dot,
            cst.Colon,
            cst.Semicolon,
            cst.AssignEqual,
        ),
    )
    for node in within(cst.parse_module(text)):
        assert children(node) == [child for child in node.children if not isinstance(child, layout)]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("text", texts())
def test_places_are_those_of_libcst(text: str, *, turned: bool) -> None:
    tree = cst.parse_module(text)
    places = of(tree, text)
    nodes = within(tree)[1:]
    inner, outer = theirs(tree, PositionProvider), theirs(tree, WhitespaceInclusivePositionProvider)
    parents = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(ParentNodeProvider)
    assert nodes or not text.strip()
    for node in reversed(nodes) if turned else nodes:
        assert places.holds(node)
        assert places.parent(node) is parents[node]
        assert places.inner(node) == inner[node]
        assert places.outer(node) == outer[node]
    # Layout, too, has a place.
    assert {node: places.inner(node) for node in inner} == inner
    assert places.parent(tree) is None
    assert not places.holds(cst.Pass())
    with pytest.raises(KeyError):
        places.inner(cst.Pass())


def test_a_place_does_not_depend_on_what_was_asked_before() -> None:
    tree = cst.parse_module(AWKWARD)
    inner = theirs(tree, PositionProvider)
    assert {node: of(tree, AWKWARD).inner(node) for node in within(tree)[1:]}.items() <= inner.items()


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        pytest.param("x = 1\n\ndef f(): pass\n", "x = 1\nfrom a import (b\n", id="another-grammar"),
        pytest.param("x = 1\n\ndef f(): pass\n", "x = 1\n", id="other-statements"),
        pytest.param("x = 1\n\n@ \\\n d\ndef f(): pass\n", None, id="decorator-in-another-row"),
    ],
)
def test_where_pythons_parser_is_of_no_help_the_whole_is_written(text: str, parsed: str | None) -> None:
    tree = cst.parse_module(text)
    inner, asked = theirs(tree, PositionProvider), list[str]()
    places = of(tree, text if parsed is None else parsed, lambda: asked.append("whole"))
    nodes = within(tree)[:0:-1]
    assert {node: places.inner(node) for node in nodes}.items() <= inner.items()
    assert "whole" in asked


def test_what_is_in_a_function_is_found_without_the_bodies_of_others() -> None:
    outline = Outline(METHODS)
    asked: list[cst.Module] = []
    places = of(outline.tree, METHODS, lambda: asked.append(outline.whole()))
    module: Any = outline.tree
    imported, cls, last = module.body
    outline.fill(cls.body.body[0])
    before = outline.size
    returned = cls.body.body[0].body.body[1].body[0].value
    assert places.inner(returned) == CodeRange((9, 12), (9, 13))
    assert places.inner(imported) == CodeRange((1, 0), (1, 8))
    assert places.inner(last.body[0].value) == CodeRange((16, 7), (16, 8))
    assert (asked, outline.size) == ([], before)
    # A body is filled later.
    outline.fill(cls.body.body[1])
    assert places.inner(cls.body.body[1].body.body[2]).start.line == 14
    assert asked == []


@pytest.mark.parametrize("pick", [lambda cls: cls.bases[0], lambda cls: cls.body.body[0].params])
def test_a_statement_with_bodies_that_are_missing_is_completed_first(
    pick: Callable[[Any], cst.CSTNode],
) -> None:
    outline = Outline(METHODS)
    places = of(outline.tree, METHODS, outline.whole)
    module: Any = outline.tree
    cls = module.body[1]
    places.inner(pick(cls))
    whole = cst.parse_module(METHODS)
    expected = list(theirs(whole, PositionProvider).values())
    assert sorted(map(repr, (places.inner(node) for node in theirs(module, PositionProvider)))) == sorted(
        map(repr, expected)
    )


EDITS = {
    "a row above": ("import a\n", "import a\nimport b\n"),
    "a comment above a body": ("    def f(self):\n", "    def f(self):\n        # More.\n"),
    "rows gone": ("# Nothing\n# to see.\n", ""),
    "in one of them": ("y = 3", "y = (3 +\n            4)"),
    "another indent first": ("import a\n", "import a\nif a:\n  a = 0\n"),
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
        def h():
            return z
        x = 2
        y = 3
        return h


def k():
    # A comment.
    for i in a:
        print(
            i)
    while a:
        pass
"""


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_written_out_before_an_edit_is_used_after_it(
    edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Source("a.py", TYPED)
    assert before.follow(None)
    for node in within(before.tree)[:0:-1]:
        before.outer_span(node)
    text = TYPED.replace(*EDITS[edit])
    after = Source("a.py", text)
    assert after.follow(before)
    written: list[cst.CSTNode] = []
    write = Places._write

    def write_noted(places: Places, node: cst.CSTNode, row: int, indents: Sequence[str]) -> Written:
        written.append(node)
        return write(places, node, row, indents)

    monkeypatch.setattr(Places, "_write", write_noted)
    fresh = parse(text)
    inner, outer = theirs(fresh, PositionProvider), theirs(fresh, WhitespaceInclusivePositionProvider)
    places = after._places
    for node, same in zip(within(after.tree)[:0:-1], within(fresh)[:0:-1], strict=True):
        assert places.inner(node) == inner[same]
        assert places.outer(node) == outer[same]
    # No statement of a body that stayed as it was, such as those of `k`.
    assert written
    assert not any(isinstance(node, (cst.For, cst.While)) for node in written)
