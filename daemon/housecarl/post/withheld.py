"""Replies that are not sent after all: why, just before one would be handed in."""

from __future__ import annotations

from collections.abc import Callable

from housecarl.journal.replies import Due


def withheld(due: Due, off: Callable[[str], bool], now: float, give_up: float) -> str | None:
    """The reason that `queue list` shows, None when it is to be sent."""
    if off(due.person):
        return f"{due.person} is switched off"
    # nothing was tried all the while: the house was off, or had no post
    return "expired: it was due for too long" if now - due.since >= give_up else None
