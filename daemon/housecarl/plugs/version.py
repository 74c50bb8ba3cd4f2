"""Firmware versions: `1.2.6 Build 200727 Rel.121701`, compared by their three numbers only."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})")


def numbers(version: str) -> tuple[int, int, int] | None:
    """The three numbers; None when there are none.

    The build date does not count: 1.2.0 was built on 170508, 1.1.3 on 170608.
    """
    found = _NUMBERS.match(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def short(version: str) -> str:
    """`1.2.6` of the whole text."""
    found = _NUMBERS.match(version)
    return found.group() if found else version[:20]


def same(wanted: str, reported: str) -> bool:
    """Whether a plug runs what was wanted; the build counts when both tell it."""
    if "Build" in wanted and "Build" in reported:
        return wanted.split() == reported.split()
    return numbers(wanted) is not None and numbers(wanted) == numbers(reported)
