"""Parked messages: in work/ until DNS has answered, while their places are free for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: What is done once DNS has answered.
Answered = asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Parked:
    """Offers each again once what it waits for is answered, unless it was taken out before."""

    offer: Callable[[str], None]
    _waiting: dict[str, Answered] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, name: str, answered: Answered) -> None:
        """Leave a message in work/ until then."""

        def offer(_: Answered) -> None:
            if self._waiting.pop(name, None) and not answered.cancelled():
                self.offer(name)

        self._waiting[name] = answered
        answered.add_done_callback(offer)

    def take(self, name: str) -> Answered | None:
        """Take one out: what it waits for, None when it is not here."""
        return self._waiting.pop(name, None)

    async def answered(self) -> None:
        """Return once all that are here now, one at least, are offered again."""
        await asyncio.wait(self._waiting.values())

    def stop(self) -> None:
        """Offer nothing more."""
        for answered in self._waiting.values():
            answered.cancel()
