"""What fits into a text message: the GSM 03.38 alphabet, its septets, and pages of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

#: Septets of one message part (3GPP TS 23.038).
PART = 160
#: Septets of each part once there are several: seven go to the header that joins them.
JOINED_PART = 153
#: The least budget that still leaves room for a word beside the page number.
MIN_BUDGET = 40
#: The number at the end of each of several pages.
_NUMBER = re.compile(r" \(\d+/\d+\)$")


@cache
def _foreign() -> re.Pattern[str]:
    """What has no place in the alphabet; its tables are made with the first text."""
    return re.compile(f"[^{re.escape(''.join(sorted(_characters(b'') | _doubles())))}]")


@cache
def _escaped() -> re.Pattern[str]:
    """What costs two septets: an escape and itself."""
    return re.compile(f"[{re.escape(''.join(sorted(_doubles())))}]")


@cache
def _doubles() -> frozenset[str]:
    return _characters(b"\x1b")


def _characters(prefix: bytes) -> frozenset[str]:
    """What the codec knows behind `prefix` (nothing, or the escape septet), line ends aside."""
    from gsm0338 import Codec

    codec, known = Codec(), set()
    for septet in range(128):
        try:
            char = codec.decode(prefix + bytes((septet,)))[0]
        except UnicodeDecodeError:
            continue
        if len(char) == 1 and char.isprintable():
            known.add(char)
    return frozenset(known)


def septets(text: str) -> int:
    """How many septets `text` takes; it must be `plain`."""
    return len(text) + len(_escaped().findall(text))


def parts(text: str) -> int:
    """How many message parts `text` is sent (and paid) as; it must be `plain`."""
    if septets(text) <= PART:
        return 1
    count = 1
    while septets(text) > JOINED_PART:
        count, text = count + 1, text[_fitting(text, JOINED_PART) :]
    return count


def plain(text: str) -> str:
    """`text` as one line of GSM 03.38 characters: what has no place there is written another way.

    One character outside the alphabet would make the whole message UCS-2, 70 characters a part.
    """
    return " ".join(_foreign().sub(_written, " ".join(text.split())).split())


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
    return _foreign().sub("", latin.replace("`", "'"))


def pages(text: str, budget: int = PART, symbol: str = "!") -> list[str]:
    """`text` made plain and cut at word borders into pages of at most `budget` septets.

    Several pages end in their number, ` (1/3)`. No page begins with the command symbol, so that
    what the house says can never be taken for a command.
    """
    budget = max(budget, MIN_BUDGET)
    line = _guarded(plain(text), symbol)
    length = septets(line)
    if length <= budget:
        return [line]
    digits = len(str(length // budget))  # there are so many pages at the least
    while len(found := _cut(line, budget - len(" (/)") - 2 * digits, symbol)) >= 10**digits:
        digits += 1
    return [f"{page} ({number}/{len(found)})" for number, page in enumerate(found, 1)]


def joined(found: Sequence[str]) -> str:
    """The line that was cut into these pages of several."""
    return " ".join(_NUMBER.sub("", page) for page in found)


def _guarded(text: str, symbol: str) -> str:
    return f"- {text}" if text.startswith(symbol) else text


def _cut(line: str, room: int, symbol: str) -> list[str]:
    """Greedy pages of at most `room` septets; a word longer than a page is broken."""
    found: list[str] = []
    page, used = "", 0
    for word in line.split(" "):
        longer = used + 1 + septets(word)
        if page and longer <= room:
            page, used = f"{page} {word}", longer
            continue
        if page:
            found.append(page)
        page = _guarded(word, symbol)
        while (used := septets(page)) > room:
            end = _fitting(page, room)
            found.append(page[:end])
            page = _guarded(page[end:], symbol)
    return [*found, page] if page else found


def _fitting(word: str, room: int) -> int:
    """How many characters of `word` fit into `room` septets; the whole of it does not."""
    doubles = _doubles()
    used = accumulate(2 if char in doubles else 1 for char in word)
    return next(at for at, so_far in enumerate(used) if so_far > room)
