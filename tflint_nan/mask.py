"""Lines that are common in scripts and notebooks and are not Python 3, and what the parser reads instead.

Each function takes text whose lines end in `\\n` and returns text with the same number of lines. A masked
line keeps its indentation, so that the block around it stays a block.
"""

from __future__ import annotations

import re

from tflint_nan.parse import is_statement

#: Cell magics whose cell is Python.
_PYTHON_CELLS = frozenset({"capture", "memit", "prun", "python", "python3", "skip", "time", "timeit"})
_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
#: How an export of a notebook to a script marks the next cell.
_CELL_MARK = re.compile(r"^# (?:%%|In\[|<codecell>)", re.MULTILINE)

_SHELL = re.compile(
    r"""(?P<indent>[ \t]*)(?:
        (?P<target>[A-Za-z_][\w.,\[\]\x20\t]*=[ \t]*)(?:!|%(?=[A-Za-z_]))  # x = !ls, x = %magic
        | (?P<timed>%(?:time|timeit|prun|memit)[ ]+)(?=[^-\s])             # %time <Python>
        | [!%?]                                                            # !ls, %cd, ?help
        | (?:pip3?|conda)[ ]+install\b                                     # magic without its %
        | [\w.*]+\?\??[ \t]*$                                              # help?
    )""",
    re.VERBOSE | re.MULTILINE,
)
#: A print or exec statement; a call of either is Python 3 as well.
_PRINT = re.compile(r"[ \t]*(?P<word>print|exec)(?:[ \t]*>>|[ \t]*(?=[\"'`])|[ \t]+(?=[\w\-~({\[\"'\\]))")
_RAISE = re.compile(r"[ \t]*raise[ \t]+[\w.]+[ \t]*(?=,)")
_EXCEPT = re.compile(r"([ \t]*except[ \t]+(?:[\w.]+|\([^()\n]*\)))([ \t]*,[ \t]*\w+)(?=[ \t]*:)")

_TOKEN = re.compile(
    r'''"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?'''
    r"""|\#[^\n]*|\\.|[()\[\]{}]|[\n:;]|[^"'\#\\()\[\]{}\n:;]+""",
    re.DOTALL,
)


def blank(text: str) -> str:
    """The lines of `text`, empty."""
    return "\n" * text.count("\n")


def mask_shell(text: str) -> str:
    """Notebook lines: magics, shell commands and questions, where a statement can begin."""
    out: list[str] = []
    position = 0
    while position < len(text):
        foreign = _CELL_MAGIC.match(text, position)
        magic = _SHELL.match(text, position)
        if foreign is not None and foreign[1] not in _PYTHON_CELLS:
            # The rest of the cell is in another language.
            mark = _CELL_MARK.search(text, position)
            end = mark.start() if mark else len(text)
            out.append(blank(text[position:end]))
        elif magic is not None:
            end = _raw_end(text, position)
            out.append(_shell_line(magic, text[magic.end() : end]) + "\n" * text.count("\n", position, end))
        else:
            end = _statement_end(text, position, "\n") + 1
            out.append(text[position:end])
        position = end
    return "".join(out)


def _raw_end(text: str, position: int) -> int:
    """Behind the line at `position`, and behind those that its last backslash adds."""
    while True:
        end = text.find("\n", position)
        if end < 0:
            return len(text)
        if end == 0 or text[end - 1] != "\\":
            return end + 1
        position = end + 1


def _shell_line(magic: re.Match[str], rest: str) -> str:
    if magic["target"]:
        # The name gets a value that is not known; IPython runs such a line in the same way.
        return f"{magic['indent']}{magic['target']}get_ipython()"
    if magic["timed"] and is_statement(rest.strip()):
        # `%time f(x)` is `f(x)`, and stays in its columns.
        return f"{magic['indent']}{'pass;'.ljust(len(magic['timed']))}{rest.rstrip()}"
    return f"{magic['indent']}pass"


def mask_python2(text: str) -> str:
    """`print` and `exec` statements, `raise E, text` and `except E, name` of Python 2.

    What stands in the same line keeps its column.
    """
    out: list[str] = []
    position = 0
    while position < len(text):
        # A statement, or what stands before a colon: the header of a block.
        end = _statement_end(text, position, "\n;:") + 1
        printed = _PRINT.match(text, position)
        if printed is not None and "\n" in text[position : end - 1]:
            end = _statement_end(text, position, "\n") + 1
        statement = text[position:end]
        position = end
        if printed is not None:
            out.append(_spaces(statement, printed.start("word") - printed.start(), "pass"))
        elif raised := _RAISE.match(statement):
            out.append(_spaces(statement, raised.end(), ""))
        elif caught := _EXCEPT.match(statement):
            out += [caught[1], " " * len(caught[2]), statement[caught.end() :]]
        else:
            out.append(statement)
    return "".join(out)


def _spaces(statement: str, start: int, word: str) -> str:
    """`statement` with `word` and spaces from `start` on; its end of line or semicolon stays."""
    end = len(statement) - (statement[-1:] in ("\n", ";"))
    rest = re.sub(r"[^\n]", " ", statement[start:end])
    return statement[:start] + word + rest[len(word) :] + statement[end:]


def _statement_end(text: str, position: int, stops: str) -> int:
    """The index of the first of `stops` behind `position` that is outside brackets, strings and comments."""
    depth = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        token = match[0] if match else text[position]
        if token in "([{":
            depth += 1
        elif token in ")]}":
            depth = max(depth - 1, 0)
        elif depth == 0 and token in stops:
            return position
        position += len(token)
    return position
