"""`!yes CODE` and `!no`: the answer to a challenge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from pydantic import AfterValidator

from housecarl.confirm import digits
from housecarl.journal import Database, codes
from housecarl.module import Call, CommandError, Reply, Rest, command

#: A code as its digits, whatever stands between them.
Digits = Annotated[Rest, AfterValidator(digits)]


def make(db: Database) -> tuple[Callable[..., Awaitable[Reply]], ...]:
    """Both commands, over the journal."""

    @command()
    async def yes(call: Call, code: Digits) -> Reply:
        """Confirm what I asked you to confirm: yes 4821"""
        # what comes by a door is turned into its command, or refused, before; `try` comes here
        raise CommandError("A code counts where it was asked for: text it.")

    @command()
    async def no(call: Call) -> Reply:
        """Cancel what waits for your code."""
        cancelled = await db.write(lambda conn: codes.cancel(conn, call.person))
        return Reply("Cancelled. Nothing was done." if cancelled else "Nothing waits for a code.")

    return yes, no
