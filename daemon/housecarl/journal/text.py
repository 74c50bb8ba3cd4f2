"""Texts of the journal's rows: damage in one costs that one, and neither its row nor the house.

SQLite finds a page that is damaged, and no letter in a text that is.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")


def lenient(data: bytes) -> str:
    """A text as it is fetched; what is no UTF-8 any more becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def parsed(text: str | bytes, otherwise: T, table: str, key: str) -> T:
    """The JSON of a text; `otherwise` when it is damaged, or not of that type."""
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, type(otherwise)):
        return found
    tell_damaged(table, key)
    return otherwise


def words(text: str, table: str, key: str) -> tuple[str, ...]:
    """A list of texts, such as the words of a command; none when it is damaged."""
    found: list[Any] = parsed(text, [], table, key)
    return tuple(found) if all(isinstance(word, str) for word in found) else ()


@cache
def tell_damaged(table: str, key: str) -> None:
    """Log it once in a life, however often it is read; the text may be a secret."""
    log.warning("value-damaged", table=table, key=key)
