"""What a module returned: a `Reply` that can be sent, a `Finding` to note, or why it is none."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from housecarl.module import Finding, Reply

#: characters of a reply's text; what is sent is cut to a quarter (`reply.MAX_TEXT`)
LONGEST_TEXT = 16_384
#: characters of one name or value in a table
LONGEST_CELL = 1_024
#: rows or bars; more is no longer an answer to a text message
MOST_ROWS = 500


def answer(value: Any) -> Reply:
    """The reply in a returned value, a str being its text; raises ValueError for anything else."""
    if isinstance(value, str):
        value = Reply(value)
    if not isinstance(value, Reply):
        raise ValueError(f"returned {type(value).__name__}, not a Reply or a str")
    _check_text(value.text, "text", LONGEST_TEXT)
    if not value.text.strip():
        raise ValueError("returned an empty text")
    if value.unit:
        _check_text(value.unit, "unit", LONGEST_CELL)
    for row in _pairs(value.rows, "rows"):
        for cell in row:
            _check_text(cell, "cell of a row", LONGEST_CELL)
    for label, number in _pairs(value.bars, "bars"):
        _check_text(label, "label of a bar", LONGEST_CELL)
        if isinstance(number, bool) or not isinstance(number, int | float) or not _finite(number):
            raise ValueError(f"returned a bar of {number!r:.40}, not a number")
    return value


def finding(value: Any) -> Finding:
    """A finding that can be noted and told; raises ValueError for anything else."""
    if not isinstance(value, Finding):
        raise ValueError(f"returned {type(value).__name__}, not a Finding")
    _check_text(value.name, "name", LONGEST_CELL)
    _check_text(value.text, "text", LONGEST_TEXT)
    if not value.name.strip():
        raise ValueError("returned an empty name")
    if not isinstance(value.well, bool | None):
        raise ValueError(f"returned a well that is {type(value.well).__name__}, not bool or None")
    return value


def encode(reply: Reply) -> dict[str, Any]:
    """A reply as JSON holds it."""
    return {
        "text": reply.text,
        "rows": [list(row) for row in reply.rows],
        "bars": [list(bar) for bar in reply.bars],
        "unit": reply.unit,
    }


def decode(stored: dict[str, Any]) -> Reply:
    """The reply that `encode` wrote; checked like any other, since a worker process may lie."""
    return answer(
        Reply(
            stored.get("text", ""),
            tuple(tuple(row) for row in stored.get("rows", ())),
            tuple(tuple(bar) for bar in stored.get("bars", ())),
            stored.get("unit", ""),
        )
    )


def _check_text(value: Any, what: str, longest: int) -> None:
    if not isinstance(value, str):
        raise ValueError(f"returned a {what} that is {type(value).__name__}, not str")
    if len(value) > longest:
        raise ValueError(f"returned a {what} of {len(value)} characters, over {longest}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"returned a {what} with half a character in it") from None


def _finite(number: float) -> bool:
    """Whether it can be drawn; a whole number may be larger than any float."""
    try:
        return isfinite(number)
    except OverflowError:
        return False


def _pairs(value: Any, what: str) -> Sequence[tuple[Any, Any]]:
    if not isinstance(value, Sequence) or len(value) > MOST_ROWS:
        raise ValueError(f"returned {what} that are no list of at most {MOST_ROWS} pairs")
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in value):
        raise ValueError(f"returned {what} that are no pairs")
    return value
