"""Waiting messages: those in work/ of which a check has no answer yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from housecarl.clock import Clock
from housecarl.journal import Database, receipts
from housecarl.journal.receipts import Receipt
from housecarl.message.name import id_of
from housecarl.record import Record

log = structlog.get_logger()

#: Seconds between two tries while a check has no answer; the last one repeats.
RETRY_SECONDS = (60.0, 120.0, 300.0, 900.0, 1800.0)


@dataclass(slots=True)
class Waiting:
    """Offers each again after a pause, which grows; a start offers all of them."""

    db: Database
    record: Record
    clock: Clock
    offer: Callable[[str], None]
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    async def postpone(self, name: str, why: str) -> None:
        """Keep a message for a later try; the journal knows how many there were."""
        identity, now = id_of(name), self.clock.now().timestamp()
        known = await self.db.read(lambda conn: receipts.find(conn, identity))
        known = known or Receipt(identity, name, now, "", reason="later")
        wait = RETRY_SECONDS[min(known.tries, len(RETRY_SECONDS) - 1)]
        checks = {**known.checks, "later": why}
        await self.record.defer(
            replace(known, state="waiting", tries=known.tries + 1, checks=checks)
        )
        log.warning("later", id=identity[:4], why=why, seconds=wait)
        self._timers[name] = asyncio.get_running_loop().call_later(wait, self._offer)

    def stop(self) -> None:
        """Offer nothing more."""
        for timer in self._timers.values():
            timer.cancel()

    def _offer(self) -> None:
        """All that wait, as they came: the last has the shortest pause, and must not be first."""
        for name in sorted(self._timers):
            self._timers.pop(name).cancel()
            self.offer(name)
