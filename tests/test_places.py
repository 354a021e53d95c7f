"""Places of nodes: the same as those of LibCST's own providers, which take three passes for them."""

from __future__ import annotations

from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import (
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    WhitespaceInclusivePositionProvider,
)

from tflint_nan.places import Places

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


def texts() -> list[str]:
    return [
        AWKWARD,
        "",
        "\n",
        "x",
        *(path.read_text() for path in sorted((ROOT / "rules").glob("*.py"))[:20]),
    ]


@pytest.mark.parametrize("text", texts())
def test_places_are_those_of_libcst(text: str) -> None:
    tree = cst.parse_module(text)
    places = Places(tree)
    wrapper = MetadataWrapper(tree, unsafe_skip_copy=True)
    # Of the module itself LibCST says a little less than all.
    parents = {
        node: parent for node, parent in wrapper.resolve(ParentNodeProvider).items() if node is not tree
    }
    assert {node: places.parents.get(node) for node in parents} == parents
    for provider, found in (
        (PositionProvider, places.inner),
        (WhitespaceInclusivePositionProvider, places.outer),
    ):
        theirs = {node: place for node, place in wrapper.resolve(provider).items() if node is not tree}
        assert theirs or not text.strip()
        assert {node: found.get(node) for node in theirs} == theirs
