"""What a source of findings is: something that is looked at, and what a look brings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from housecarl.watches.state import Finding


class Notice(NamedTuple):
    """Something that happened once, as a whole sentence; `stamp` tells it from the last one."""

    name: str
    stamp: str
    text: str
    urgent: bool = False


class Source(Protocol):
    """Something that is watched."""

    @property
    def names(self) -> frozenset[str]:
        """The names of all findings and notices it may bring."""
        ...

    def next(self, now: datetime) -> datetime | None:
        """When to look again after `now`; None when it is enough to when something is told."""
        ...

    async def look(self, now: datetime) -> Sequence[Finding | Notice]:
        """Look once; what could not be told is left out or says so."""
        ...
