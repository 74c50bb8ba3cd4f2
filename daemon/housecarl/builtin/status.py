"""`!status`: how the house is, trouble first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from housecarl import health
from housecarl.clock import Clock
from housecarl.config import Config
from housecarl.journal import Database
from housecarl.module import Call, Reply, command


def make(db: Database, config: Config, clock: Clock) -> Callable[..., Awaitable[Reply]]:
    """The command, over the journal."""

    @command()
    async def status(call: Call) -> Reply:
        """How the house is."""
        now = clock.now().timestamp()
        found = await db.read(lambda conn: health.examine(conn, now))
        rows = [(part.name, part.text) for part in found.parts]
        done = found.today.get("executed", 0)
        count = f"{done} {'message' if done == 1 else 'messages'} carried out in 24 h"
        if found.well:
            return Reply(f"{config.house} is well. {count}.", rows=rows)
        trouble = "; ".join(f"{p.name}: {p.text}" for p in found.parts if not p.ok)
        return Reply(f"{config.house} has trouble. {trouble}. {count}.", rows=rows)

    return status
