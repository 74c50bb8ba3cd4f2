"""Alerts: what the house says first, to those who own it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from housecarl.config import Config
from housecarl.envelope import Answer
from housecarl.means import Workshop
from housecarl.module import Reply


def owners(config: Config, now: datetime, off: Callable[[str], bool]) -> list[str]:
    """Who is told: the people marked as owner, else the first who may use everything.

    Whose rights have ended is neither, nor who is switched off: a lost phone hears nothing.
    """
    people = {
        name: each
        for name, each in config.people.items()
        if not (off(name) or config.ended(name, now))
    }
    marked = [name for name, person in people.items() if person.owner]
    return marked or [name for name, person in people.items() if "*" in person.may][:1]


@dataclass(frozen=True, slots=True)
class Alerts:
    """Sends one message to every owner, by the way each is reached."""

    config: Config
    workshop: Workshop
    off: Callable[[str], bool]

    async def send(self, reply: Reply) -> None:
        """Queue it, durable on return."""
        now = self.workshop.clock.now().timestamp()
        await self.workshop.db.write(lambda conn: self.queue(conn, reply, now))
        self.wake()

    def queue(self, conn: sqlite3.Connection, reply: Reply, now: float) -> None:
        """Queue it with what else is written in this transaction; then `wake`."""
        for name in owners(self.config, datetime.fromtimestamp(now, UTC), self.off):
            part = secrets.token_hex(8)
            self.workshop.outbox.queue(conn, Answer(name, [reply], "alert", part=part), None, now)

    def wake(self) -> None:
        """There may be something to send."""
        self.workshop.wake_post()
