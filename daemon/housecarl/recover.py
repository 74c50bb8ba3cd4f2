"""What a start does with the messages of the last life: the journal decides, the folders follow."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from housecarl.clock import Clock
from housecarl.envelope import Answer, Way
from housecarl.journal import Database, receipts, runs, values
from housecarl.journal.receipts import Receipt
from housecarl.means import BACKGROUND, Workshop
from housecarl.message.model import Thread
from housecarl.module import Reply
from housecarl.record import Record
from housecarl.spool import Spool, State, id_of

log = structlog.get_logger()

#: Seconds between two tries while a check has no answer; the last one repeats.
RETRY_SECONDS = (60.0, 120.0, 300.0, 900.0, 1800.0)

#: What a file of ours is called; anything else in new/ or work/ was put there by hand.
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{16}\.eml")


@dataclass(slots=True)
class Waiting:
    """Messages in work/ that wait because a check has no answer yet."""

    db: Database
    record: Record
    clock: Clock
    offer: Callable[[str], None]
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    async def postpone(self, name: str, why: str) -> None:
        """Keep a message for a later try, and note when that is."""
        identity, now = id_of(name), self.clock.now().timestamp()
        known = await self.db.read(lambda conn: receipts.find(conn, identity))
        known = known or Receipt(identity, name, now, "", reason="later", checks={"later": why})
        wait = RETRY_SECONDS[min(known.tries, len(RETRY_SECONDS) - 1)]
        receipt = replace(known, state="waiting", tries=known.tries + 1, next_try=now + wait)
        await self.record.defer(receipt)
        log.warning("later", id=identity[:4], why=why, seconds=wait)
        self.schedule(name, wait)

    def schedule(self, name: str, seconds: float) -> None:
        """Offer a message again after some seconds."""
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(max(0.0, seconds), self._offer, name)

    def stop(self) -> None:
        """Offer nothing more; the journal keeps the times."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _offer(self, name: str) -> None:
        self._timers.pop(name, None)
        self.offer(name)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Brings spool and journal together once, before the doors open."""

    spool: Spool
    db: Database
    record: Record
    waiting: Waiting
    workshop: Workshop
    clock: Clock
    offer: Callable[[str], None]

    async def recover(self) -> None:
        """Finish, tell or offer every message that was left in new/ or work/."""
        for state in (State.WORK, State.NEW):
            for name in await self.spool.waiting(state):
                await self._settle(name, state)
        await self._tell_background()

    async def _settle(self, name: str, state: State) -> None:
        """One file: done, move it; started and not repeatable, say "interrupted"; else run it."""
        if not _NAME.fullmatch(name):
            log.warning("foreign-file", folder=state.value, file=name)
            self.spool.move(name, state, State.FAILED)
            return
        receipt = await self.db.read(lambda conn: receipts.find(conn, id_of(name)))
        if receipt is None:
            self.offer(name)
        elif receipt.state == "waiting":
            wait = (receipt.next_try or 0.0) - self.clock.now().timestamp()
            self.waiting.schedule(name, wait)
        elif receipt.state == "started":
            await self._interrupted(receipt)
            self.spool.move(name, state, State.EXECUTED)
        else:
            self.spool.move(name, state, State(receipt.state))

    async def _interrupted(self, receipt: Receipt) -> None:
        left = await self.db.read(lambda conn: runs.of(conn, receipt.id))
        now = self.clock.now().timestamp()
        await self.record.conclude_interrupted(receipt, left, now)
        log.warning("interrupted", id=receipt.id[:4], person=receipt.person)

    async def _tell_background(self) -> None:
        """Work that went on after its reply and was cut off: say so, once."""
        left = await self.db.read(lambda conn: values.everything(conn, BACKGROUND))
        for key, note in left.items():
            receipt = str(note["receipt"])
            text = f"{note['command']} was interrupted by a restart. Log {receipt[:4]}."
            answer = Answer(note["person"], [Reply(text)], "follow-up", receipt, part="interrupted")
            await self.workshop.send(answer, _way(note))
            await self.workshop.forget(key)


def _way(note: dict[str, str]) -> Way | None:
    if not note["address"]:
        return None
    references = tuple(json.loads(note["references"]))
    return Way(note["address"], Thread(note["subject"], note["in_reply_to"], references))
