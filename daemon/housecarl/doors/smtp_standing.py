"""What the peers at an address have lately been to the SMTP door: fruitless, unknown or proven."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from housecarl.doors.smtp_settings import MAX_ADDRESSES

#: Seconds that an address is remembered after a session that brought nothing, or after a login.
#: Who floods the door is back within seconds; somebody who logs in from home is back tomorrow.
FRUITLESS_SECONDS = 120.0
PROVEN_SECONDS = 48 * 3600.0


class Standing(IntEnum):
    """How welcome an address is at a full door, the least first."""

    FRUITLESS = 0  # its last session brought neither a login nor a message, or it tries on and on
    UNKNOWN = 1
    PROVEN = 2  # somebody logged in from there


class Standings:
    """The standing of each address; `now` in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._fruitless: dict[str, float] = {}
        self._proven: dict[str, float] = {}

    def of(self, address: str) -> Standing:
        """The standing; "" is of this machine and always unknown."""
        until = self._proven.get(address)
        if until is not None and self._now() < until:
            return Standing.PROVEN
        until = self._fruitless.get(address)
        if until is not None and self._now() < until:
            return Standing.FRUITLESS
        return Standing.UNKNOWN

    def note(self, address: str, standing: Standing) -> None:
        """Remember what a session was; a fruitless one does not undo that somebody logged in."""
        self._fruitless.pop(address, None)
        if not address or standing is Standing.UNKNOWN:
            return
        proven = standing is Standing.PROVEN
        kept = self._proven if proven else self._fruitless
        kept.pop(address, None)
        kept[address] = self._now() + (PROVEN_SECONDS if proven else FRUITLESS_SECONDS)
        if len(kept) > MAX_ADDRESSES:
            del kept[next(iter(kept))]
