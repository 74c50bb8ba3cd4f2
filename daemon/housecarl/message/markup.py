"""HTML as mail holds it to plain text, in one pass whatever the input.

The standard library's `html.parser` needs 10 s for 64 KiB of `<a =`; this reader takes the few
rules of the HTML standard that text needs and never looks at a byte twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum

#: a `<` that opens nothing is just a character
_OPENS = re.compile(r"<(?=[A-Za-z/!?])")
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*+)")
#: what a search for the end of a tag meets: a value in quotes, within which it does not end, or it
_VALUE_OR_END = re.compile(r"=\s*+(?:\"[^\"]*+\"|'[^']*+')|>")
_MARK = re.compile(r"\b(?:class|id)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_BLANK = re.compile(r"[ \t\n\f]+")
#: more digits than any character has; `html.unescape` raises on 4,300 of them
_LONG_NUMBER = re.compile(r"&#[0-9]{8,};?")

#: tags read before the rest is left out: long mail from Outlook has some thousands, and what was
#: typed stands at its top
MAX_TAGS = 20_000

#: their content is not text
_RAW = frozenset("script style title textarea noscript xmp iframe".split())
_BLOCKS = frozenset(
    "address article aside body center dd div dl dt footer form h1 h2 h3 h4 h5 h6 header hr li "
    "main ol p pre section ul blockquote".split()
)
_CELLS = frozenset("table tbody thead tfoot tr td th caption".split())
_EMPTY = frozenset("area base br col embed hr img input link meta source track wbr".split())

#: what somebody else wrote: Gmail, Yahoo and Thunderbird mark it
_QUOTES = frozenset("gmail_quote gmail_quote_container gmail_extra yahoo_quoted".split())
_ATTRIBUTIONS = frozenset(("moz-cite-prefix", "gmail_attr"))
#: from here to the end Outlook puts the message that is answered
_HISTORY = frozenset(("divrplyfwdmsg", "x_divrplyfwdmsg", "appendonsend", "x_appendonsend"))


_UNMARKED: frozenset[str] = frozenset()


class Break(Enum):
    """Where text ends: a block, a line by `<br>`, or a cell of a table."""

    BLOCK = 1
    LINE = 2
    CELL = 3


def text(source: str) -> str:
    """What the writer typed, a line per block; quoted messages, styles and scripts left out."""
    return _lines(_pieces(source))


def cells(source: str) -> list[str]:
    """The text of each table cell that holds any, in order; a line break within a cell is kept."""
    found: list[str] = []
    cell: list[str | Break] = []
    for piece in (*_pieces(source), Break.CELL):
        if piece is Break.CELL:
            found.append(_lines(cell))
            cell = []
        else:
            cell.append(piece)
    return [each for each in found if each]


def _lines(pieces: Iterable[str | Break]) -> str:
    """Pieces as lines: a block begins a new line where something stands, `<br>` always does."""
    joined: list[str] = []
    empty = True
    for piece in pieces:
        if isinstance(piece, str):
            joined.append(piece)
            empty = empty and not piece.strip(" ")
        elif piece is Break.LINE or not empty:
            joined.append("\n")
            empty = True
    lines = (re.sub(" {2,}", " ", line).strip(" ") for line in "".join(joined).split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _pieces(source: str) -> Iterator[str | Break]:
    """Texts and breaks; elements that hold a quoted message are skipped with all they contain."""
    skipped, depth = "", 0
    for close, name, marks in _tokens(source):
        if name is None:
            if not skipped:
                yield close
            continue
        if skipped == "head" and name == "body":
            skipped = ""
        if skipped:
            if name == skipped:
                depth += -1 if close else 1
            if depth == 0:
                skipped = ""
            continue
        if marks & _HISTORY:
            return
        if not close and name not in _EMPTY and _is_quote(name, marks):
            skipped, depth = name, 1
        if name == "br":
            yield Break.LINE
        elif name in _BLOCKS:
            yield Break.BLOCK
        elif name in _CELLS:
            yield Break.CELL


def _is_quote(name: str, marks: frozenset[str]) -> bool:
    return name in ("blockquote", "head") or bool(marks & (_QUOTES | _ATTRIBUTIONS))


def _tokens(source: str) -> Iterator[tuple[str, str | None, frozenset[str]]]:
    """(text, None, {}) for text, (slash or nothing, name, marks) for a tag.

    An unclosed tag, comment or script swallows the rest, as the standard has it; therefore no
    search ever starts again from the beginning.
    """
    position, preformatted = 0, 0
    for _ in range(MAX_TAGS):
        opens = _OPENS.search(source, position)
        end = opens.start() if opens else len(source)
        if end > position:
            yield _shown(source[position:end], preformatted > 0), None, _UNMARKED
        if opens is None:
            return
        tag = _TAG.match(source, end)
        if tag is None:
            position = _after_other(source, end)
            continue
        attributes = _attributes(source, tag.end())
        if attributes is None:
            return
        position, name = tag.end() + len(attributes) + 1, tag[2].lower()
        if name == "pre":
            preformatted = max(0, preformatted + (-1 if tag[1] else 1))
        if name in _RAW and not tag[1]:
            position = _after_raw(source, position, name)
            continue
        yield tag[1], name, _marks(attributes)


def _attributes(source: str, start: int) -> str | None:
    """What stands between the name of a tag and its `>`; None when it has no end."""
    for found in _VALUE_OR_END.finditer(source, start):
        if found[0] == ">":
            return source[start : found.start()]
    return None


def _after_other(source: str, start: int) -> int:
    """Where to go on after a `<` that opens no tag: past a comment or declaration."""
    if source.startswith("<!--", start):
        end = source.find("-->", start + 4)
        return len(source) if end < 0 else end + 3
    end = source.find(">", start)
    return len(source) if end < 0 else end + 1


def _after_raw(source: str, position: int, name: str) -> int:
    closing = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(source, position)
    end = source.find(">", closing.end()) if closing else -1
    return len(source) if end < 0 else end + 1


def _marks(attributes: str) -> frozenset[str]:
    """The words of class and id."""
    if not attributes.strip(" /"):
        return _UNMARKED
    found = (word for groups in _MARK.findall(attributes) for word in "".join(groups).split())
    return frozenset(word.lower() for word in found)


def _shown(data: str, preformatted: bool) -> str:
    shown = _unescaped(data) if "&" in data else data
    shown = shown.replace("\r", "\n").replace("\x00", "\ufffd")
    return shown if preformatted else _BLANK.sub(" ", shown)


def _unescaped(data: str) -> str:
    """Character references as characters; their table is large, and few houses ever need it."""
    from html import unescape

    return unescape(_LONG_NUMBER.sub("\ufffd", data))
