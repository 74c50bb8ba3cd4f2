"""`!more`: the next page of a reply that was too long for one text message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from housecarl.journal import Database, people
from housecarl.module import Call, CommandError, Reply, command
from housecarl.reply import NOTHING_LEFT, More


def make(db: Database) -> Callable[..., Awaitable[Reply]]:
    """The command, over the journal."""

    @command()
    async def more(call: Call) -> Reply:
        """The next part of my last long reply."""
        # only looked at here, taken where the answer is queued: a crash between loses no page
        rest = await db.read(lambda conn: people.pages(conn, call.person))
        if not rest:
            raise CommandError(NOTHING_LEFT)
        return More(rest[0])

    return more
