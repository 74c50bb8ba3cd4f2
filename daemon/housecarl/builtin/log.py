"""`!log`: what the house did lately, or one message in detail."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from zoneinfo import ZoneInfo

from housecarl.config import Config
from housecarl.journal import Database, receipts, runs
from housecarl.journal.receipts import Receipt
from housecarl.judge import Judge
from housecarl.module import Call, CommandError, Reply, command

#: Messages that `!log` lists: what fits one text message.
LISTED = 4

_ID = re.compile(r"[0-9a-f]{4,16}")


def make(db: Database, judge: Judge, config: Config) -> Callable[..., Awaitable[Reply]]:
    """The command, over the journal; who may everything also sees what others asked."""
    zone = ZoneInfo(config.timezone)

    def owns_all(person: str) -> bool:
        return "*" in config.people[person].may

    @command()
    async def log(call: Call, id: str | None = None) -> Reply:
        """What I did lately, or one entry: log 7f3a"""
        if id is not None:
            return await _entry(call, id.casefold())
        people: Collection[str] = config.people if owns_all(call.person) else (call.person,)

        def newest(conn: sqlite3.Connection) -> list[Receipt]:
            # of each by the index: one walk through all would meet every stranger on its way
            each = (receipts.listing(conn, limit=LISTED + 1, person=person) for person in people)
            return sorted(chain.from_iterable(each), key=attrgetter("arrived"), reverse=True)

        entries = [entry for entry in await db.read(newest) if entry.id != call.id][:LISTED]
        if not entries:
            return Reply("Log is empty.")
        lines = [_line(entry, zone) for entry in entries]
        return Reply(
            "Log: " + "; ".join(lines) + ".", rows=[(e.id[:4], _line(e, zone)) for e in entries]
        )

    async def _entry(call: Call, identity: str) -> Reply:
        if not _ID.fullmatch(identity):
            raise CommandError(f"{identity[:16]} is no log id. It has four digits or letters a-f.")
        person = None if owns_all(call.person) else call.person
        entry = await db.read(lambda conn: receipts.find(conn, identity, person=person))
        if entry is None:
            raise CommandError(f"No log entry {identity}.")
        done = await db.read(lambda conn: runs.of(conn, entry.id))
        told = " ".join(run.text for run in done) or (entry.reason or entry.state)
        rows = [(" ".join(run.words), f"{run.outcome}: {run.text}") for run in done]
        return Reply(f"Log {entry.id[:4]}: {_line(entry, zone)}. {told}", rows=rows)

    return log


def _line(entry: Receipt, zone: ZoneInfo) -> str:
    at = datetime.fromtimestamp(entry.arrived, UTC).astimezone(zone)
    asked = " + ".join(" ".join(call) for call in entry.calls) or entry.kind
    outcome = "" if entry.state == "executed" else f" {entry.reason or entry.state}"
    return f"{at:%d %b %H:%M} {entry.person or 'stranger'} {asked}{outcome}"
