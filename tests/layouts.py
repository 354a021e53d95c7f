"""Texts in which everything stands where it is seldom seen."""

from __future__ import annotations

from hypothesis import strategies as st

AWKWARD = """\
# A comment first.

@ \\
 other
@ decorator (1 , * a , ** b) # c
async  def f ( a , / , b : int = ( 1 ) , * , c = 'x' 'y' , ** d ) -> None :
\tx , ( y ) = ( ( a ) ) if ( not b ) else [ i async for i in c if i ] ; return
\tawait g ( f'{x!r:>{y}} {{}}' "z" )   # d
\tasync with a : pass
\tasync for i in j : continue


class C ( A , metaclass = M ) :
    x : int
    'doc'
    lambda : ( yield ) ; del a [ 1 : 2 , ... ] , b
    with ( a as b , c ) : pass
    try : pass
    except ( E ) as e : raise E from e
    else : nonlocal_ = 1
    finally : a . b += -1 ** ~ 2
    match x :
        case [ 1 , * rest ] | { 'a' : b , ** c } if d : pass
    while 1 \\
        : global q ; assert x , 'y' ; break
    else : import a . b as c , d
    from . a import ( b , c as d , )
    def m ( self ) : nonlocal n ; return { ** a , 'b' : 2.5 , ( 'c' ) : 3j }
    if a : pass
    elif b : pass
    else :
        # nothing
        pass ; \\
        pass

x = (
    1  # one
    + 2
)
y = [ { a for a in b } , { a : b for a , b in c } , ( a for a in b for c in d ) , { 1 , * z } , b'' ]
w = a [ ( b , c ) ]
z = ( yield from q ) , lambda * a , b : ( c := a and b or ( a < b <= c ) ) , a [ b , : c ] , a is not b
from a import *
"""
#: Lines that a body may hold before, between and behind its statements.
_SPACES = ["", "    ", "# comment", "    # comment", "        # deeper", "\t# tab"]
_STATEMENTS = [
    "x = 1",
    "x = 1; y = 2  # two",
    "x = 1; \\\n  y = 2",
    "x = '''a\nb\n  c'''",
    "'''A text\n\n    of many lines.\n'''",
    "x = (1,\n2)",
    "x = 1 + \\\n  2",
    "yield x",
    "if x:\n{0}    y = 2\n{0}else: y = 3",
    "if x:\n{0}    y = 2\n{0}else:\n{0}    if z: y = 3\n{0}    else: y = 4",
    "if x: pass\n{0}elif z: y = 3; z = 4",
    "for a in b:\n{0}  y = 2\n{0}  # end",
    "@wraps(f)\n{0}@other\n{0}def g(a):\n{0}    return a",
    "class C:\n{0}    def m(self):\n{0}        return 1\n{0}    n = 2",
    "try:\n{0}    pass\n{0}except E:\n{0}    raise",
    "match a:\n{0}    case 1: b = 2",
]
_HEADERS = ["def f(a):", "async def f(a):", "@d\ndef f(a):", "def f(\n    a,\n):", "def f(a):  # why"]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Functions and classes, with any indents, comments and blanks."""
    units = st.sampled_from(["    ", "  ", "\t", "        "])
    unit = draw(units)
    lines: list[str] = []

    def function(indent: str) -> None:
        header = draw(st.sampled_from(_HEADERS))
        lines.extend(f"{indent}{line}" for line in header.split("\n"))
        inner = indent + unit
        for _ in range(draw(st.integers(1, 4))):
            lines.extend(draw(st.lists(st.sampled_from(_SPACES), max_size=2)))
            lines.append(inner + draw(st.sampled_from(_STATEMENTS)).format(inner))
        lines.extend(draw(st.lists(st.sampled_from(_SPACES), max_size=2)))

    for _ in range(draw(st.integers(1, 3))):
        unit = draw(units) if draw(st.booleans()) else unit
        kind = draw(st.sampled_from(["function", "class", "if", "one line", "nested"]))
        if kind == "function":
            function("")
        elif kind == "one line":
            lines.append("def f(): x = 1; y = 2; return y")
        else:
            head = "if x:" if kind == "if" else "class A:"
            lines.append(head)
            indent = unit
            if kind == "nested":
                lines.append(f"{unit}class B:  # in A")
                indent = unit * 2
            for _ in range(draw(st.integers(1, 2))):
                function(indent)
            if kind == "if" and draw(st.booleans()):
                lines.append("elif y:")
                function(unit)
    return "\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n# end\n"]))
