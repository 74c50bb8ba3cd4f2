"""`!more`: the next page of a reply that was too long for one text message."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable

from housecarl.clock import Clock
from housecarl.journal import Database, people
from housecarl.module import Call, CommandError, Reply, command


def make(db: Database, clock: Clock) -> Callable[..., Awaitable[Reply]]:
    """The command, over the journal."""

    @command()
    async def more(call: Call) -> Reply:
        """The next part of my last long reply."""

        def turn(conn: sqlite3.Connection) -> str | None:
            rest = people.pages(conn, call.person)
            if not rest:
                return None
            people.keep_pages(conn, call.person, rest[1:], clock.now().timestamp())
            return rest[0]

        page = await db.write(turn)
        if page is None:
            raise CommandError("That was all.")
        return Reply(page)

    return more
