"""`!status`: how the house is, trouble first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from zoneinfo import ZoneInfo

from housecarl import health
from housecarl.alerts import owners
from housecarl.clock import Clock
from housecarl.config import Config
from housecarl.journal import Database
from housecarl.judge import Judge
from housecarl.module import Call, Reply, command


def make(
    db: Database, judge: Judge, config: Config, clock: Clock
) -> Callable[..., Awaitable[Reply]]:
    """The command, over the journal; the owners see what others got too."""

    zone = ZoneInfo(config.timezone)

    @command()
    async def status(call: Call) -> Reply:
        """How the house is."""
        now = clock.now()
        at = now.timestamp()
        found = await db.read(lambda conn: health.examine(conn, at, config.people, zone))
        rows = [(part.name, part.text) for part in found.parts]
        done = found.today.get("executed", 0)
        count = f"{done} {'message' if done == 1 else 'messages'} carried out in 24 h"
        is_owner = call.person in owners(config, now, judge.off)
        texts = found.texts if is_owner else own(found.texts, call.person)
        rows += [(f"text parts this month, {name}", str(n)) for name, n in texts.items()]
        if texts:
            listed = ", ".join(f"{name} {number}" for name, number in texts.items())
            count += f". Text parts this month: {listed}"
        if found.well:
            return Reply(f"{config.house} is well. {count}.", rows=rows)
        trouble = "; ".join(f"{p.name}: {p.text}" for p in found.parts if not p.ok)
        return Reply(f"{config.house} has trouble. {trouble}. {count}.", rows=rows)

    return status


def own(texts: Mapping[str, int], person: str) -> Mapping[str, int]:
    """What is this person's: what others get concerns the owners."""
    return {name: number for name, number in texts.items() if name == person}
