"""What fits into a text message: the GSM 03.38 alphabet, its septets, and pages of them."""

from __future__ import annotations

import re
from functools import cache

from gsm0338 import Codec

#: Septets of one message part (3GPP TS 23.038).
PART = 160
#: Septets of each part once there are several: seven go to the header that joins them.
JOINED_PART = 153
#: The least budget that still leaves room for a word beside the page number.
MIN_BUDGET = 40


def _characters(prefix: bytes) -> frozenset[str]:
    """What the codec knows behind `prefix` (nothing, or the escape septet), line ends aside."""
    known = set()
    for septet in range(128):
        try:
            char = Codec().decode(prefix + bytes((septet,)))[0]
        except UnicodeDecodeError:
            continue
        if len(char) == 1 and char.isprintable():
            known.add(char)
    return frozenset(known)


_BASIC = _characters(b"")
#: These cost two septets each: an escape and themselves.
_DOUBLE = _characters(b"\x1b")
_FOREIGN = re.compile(f"[^{re.escape(''.join(sorted(_BASIC | _DOUBLE)))}]")
_ESCAPED = re.compile(f"[{re.escape(''.join(sorted(_DOUBLE)))}]")


def septets(text: str) -> int:
    """How many septets `text` takes; it must be `plain`."""
    return len(text) + len(_ESCAPED.findall(text))


def parts(text: str) -> int:
    """How many message parts `text` is sent (and paid) as; it must be `plain`."""
    count = septets(text)
    return 1 if count <= PART else -(-count // JOINED_PART)


def plain(text: str) -> str:
    """`text` as one line of GSM 03.38 characters: what has no place there is written another way.

    One character outside the alphabet would make the whole message UCS-2, 70 characters a part.
    """
    return " ".join(_FOREIGN.sub(_written, " ".join(text.split())).split())


def _written(match: re.Match[str]) -> str:
    return _latin(match.group())


@cache
def _latin(char: str) -> str:
    """One foreign character in the alphabet; nothing for marks, controls, `°` and pictures."""
    from anyascii import anyascii

    if char == "°":
        return ""
    latin: str = anyascii(char) if char.isprintable() or char.isspace() else ""
    if latin.startswith(":") and latin.endswith(":") and len(latin) > 2:
        return ""
    return _FOREIGN.sub("", latin.replace("`", "'"))


def pages(text: str, budget: int = PART, symbol: str = "!") -> list[str]:
    """`text` made plain and cut at word borders into pages of at most `budget` septets.

    Several pages end in their number, ` (1/3)`. No page begins with the command symbol, so that
    what the house says can never be taken for a command.
    """
    budget = max(budget, MIN_BUDGET)
    line = _guarded(plain(text), symbol)
    if septets(line) <= budget:
        return [line]
    found: list[str] = []
    for digits in (1, 2, 3, 4):
        found = _cut(line, budget - len(" (/)") - 2 * digits, symbol)
        if len(found) < 10**digits:
            break
    return [f"{page} ({number}/{len(found)})" for number, page in enumerate(found, 1)]


def _guarded(text: str, symbol: str) -> str:
    return f"- {text}" if text.startswith(symbol) else text


def _cut(line: str, room: int, symbol: str) -> list[str]:
    """Greedy pages of at most `room` septets; a word longer than a page is broken."""
    found: list[str] = []
    page = ""
    for word in line.split(" "):
        joined = f"{page} {word}" if page else _guarded(word, symbol)
        if septets(joined) <= room:
            page = joined
            continue
        if page:
            found.append(page)
        page = _guarded(word, symbol)
        while septets(page) > room:
            end = _fitting(page, room)
            found.append(page[:end])
            page = _guarded(page[end:], symbol)
    return [*found, page] if page else found


def _fitting(word: str, room: int) -> int:
    """How many characters of `word` fit into `room` septets."""
    used = 0
    for at, char in enumerate(word):
        used += 2 if char in _DOUBLE else 1
        if used > room:
            return at
    return len(word)
