"""Lines that a mail program broke at its margin, made whole where another text has them whole."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

#: Columns; a line that a mail program wrapped had no room for the next word within these (they wrap
#: at 66 to 78).
WRAPPED = 60

#: Lines that one line is broken into at most: nobody's command is longer than 1000 characters.
MOST = 16

#: Lines at the top that are looked at: more than any house takes commands in one message.
LEADING = 100


def whole(text: str, others: Iterable[str]) -> str:
    """The text with its commands whole: lines at the top that begin alike, up to the first other.

    Gmail wraps the plain text of a mail, and not its HTML. A line is only joined to the next one
    where one of `others` has just these words on one line; they are not asked for before that.
    """
    lines, symbol = text.split("\n"), text.lstrip()[:1]
    known: set[str] = set()
    found: list[str] = []
    at, is_leading = 0, True
    while is_leading and at < len(lines) and len(found) < LEADING:
        some = lines[at : at + _length(lines[at : at + MOST], symbol)]
        if len(some) > 1 and not known:
            known = {squeezed(line) for other in others for line in other.split("\n")}
        while len(some) > 1 and squeezed(" ".join(some)) not in known:
            some.pop()
        found.append(" ".join(each.strip() for each in some) if len(some) > 1 else some[0])
        is_leading = not some[0].strip() or some[0].lstrip().startswith(symbol)
        at += len(some)
    return "\n".join(found + lines[at:])


def _length(lines: list[str], symbol: str) -> int:
    """How many of these lines may have been one, from the first."""
    for number, (line, after) in enumerate(pairwise(lines), 1):
        if after.lstrip().startswith(symbol) or not is_full(line, after):
            return number
    return len(lines)


def is_full(line: str, after: str) -> bool:
    """Whether a line had no room for the first word of the next one."""
    word = "".join(after.split(None, 1)[:1])
    return word != "" and len(f"{squeezed(line)} {word}") > WRAPPED


def squeezed(line: str) -> str:
    """A line with one blank for each run of them.

    How many there are is not signed by most, so no line is longer for having more.
    """
    return " ".join(line.split())
