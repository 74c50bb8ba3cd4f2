"""What phone keyboards and mail programs do to a typed line, undone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, TypeVar

Named = TypeVar("Named", bound=Mapping[str, Any])

#: Marks that show nothing: zero-width, joiners, direction marks, byte order mark, soft hyphen.
INVISIBLE = (
    "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)

#: Every blank of Unicode (category Zs) and the tab; all of them mean a plain space.
BLANKS = "\t \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"

#: What may stand before the symbol or after the last word without meaning anything.
EDGES = INVISIBLE + BLANKS

#: Smart punctuation back to what was typed. An em dash is two hyphens (iOS, Android, Word); an en
#: dash, a minus sign and the typographic hyphens are one.
_TYPED = str.maketrans(
    dict.fromkeys("“”„‟«»＂", '"')
    | dict.fromkeys("‘’‚‛＇", "'")
    | dict.fromkeys("‐‑‒–−", "-")
    | dict.fromkeys("—―", "--")
    | {"…": "..."}
    | dict.fromkeys(BLANKS, " ")
)

#: No line may hold these: the replacement character (bytes that could not be read), controls, lone
#: surrogates, and the marks that make text read in another order than it is stored.
_UNREADABLE = re.compile("[\ufffd\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")
_REORDERING = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: The ends of a line. `str.splitlines` has more: controls, behind which the rest of a command would
#: be lost, such as an ellipsis that was read in another charset.
_LINE_END = re.compile("\r\n|[\r\n\u2028\u2029]")
_HIDDEN = re.compile(f"[{INVISIBLE}]")


def lines(text: str) -> list[str]:
    """The lines of a text, the last one without an end."""
    return _LINE_END.split(text)


def typed(text: str) -> str:
    """`text` as the fingers meant it: straight quotes, hyphens, plain spaces."""
    return text if text.isascii() and "\t" not in text else text.translate(_TYPED)


def spoken(name: str) -> str:
    """A name as names are compared: neither its capitals nor what a keyboard made of it count."""
    return typed(name).casefold()


def apart(named: Named) -> Named:
    """`named` as it is. ValueError when two of its names are the same in a text."""
    found: dict[str, str] = {}
    for name in named:
        former = found.setdefault(spoken(name), name)
        if former != name:
            raise ValueError(f"{former} and {name} are the same in a text; rename one of them")
    return named


def same(char: str, wanted: str) -> bool:
    """Whether `char` is `wanted` or its full-width or small form (`！` for `!`)."""
    return char == wanted or (not char.isascii() and unicodedata.normalize("NFKC", char) == wanted)


def one_width(text: str, wanted: str) -> str:
    """`text` with every full-width or small form of the character `wanted` made plain."""
    if text.isascii():
        return text
    return "".join(wanted if same(char, wanted) else char for char in text)


def unreadable(text: str) -> bool:
    """Whether `text` holds bytes that were lost, controls, or marks that reorder what is shown."""
    if text.isascii() and text.isprintable():
        return False
    return bool(_UNREADABLE.search(text) or _REORDERING.search(text))


def hides_something(text: str) -> bool:
    """Whether `text` holds a mark that shows nothing."""
    return not text.isascii() and bool(_HIDDEN.search(text))
