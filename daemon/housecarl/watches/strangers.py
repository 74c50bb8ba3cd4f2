"""The watch on strangers: their messages of a day, counted and told once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from housecarl import when
from housecarl.config_watches import StrangersWatch
from housecarl.journal import Database, strangers
from housecarl.watches.source import Notice
from housecarl.watches.state import Finding

#: Characters of a sender that are told; who sends chooses them.
SHOWN = 30


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """Counts once a day, at a time of the house's clocks."""

    db: Database
    watch: StrangersWatch
    zone: ZoneInfo
    names: frozenset[str] = frozenset({"strangers"})

    def next(self, now: datetime) -> datetime | None:
        """The next time of that kind."""
        return when.next_at(self.watch.at, now, self.zone)

    async def look(self, now: datetime) -> Sequence[Finding | Notice]:
        """Those of the day that ended last, if there were any."""
        day = now.astimezone(self.zone).date()
        end = when.on(day, self.watch.at, self.zone)
        if end > now:
            day -= timedelta(days=1)
            end = when.on(day, self.watch.at, self.zone)
        begin = when.on(day - timedelta(days=1), self.watch.at, self.zone)
        found = await self.db.read(
            lambda conn: strangers.count(conn, begin.timestamp(), end.timestamp())
        )
        text = said(found)
        return [Notice("strangers", f"{day}", text, self.watch.urgent)] if text else []


def said(found: strangers.Strangers) -> str:
    """One or two sentences with counts, empty when nobody came."""
    told = []
    if found.unknown:
        many = "message" if found.unknown == 1 else "messages"
        who = f": {_listed(found.senders)}" if found.senders else ""
        told.append(f"{found.unknown} {many} of strangers in a day{who}.")
    if found.claimed:
        told.append(f"Without proof, in the name of: {_listed(found.claimed)}.")
    return " ".join(told)


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{_shown(name)} {number}" for name, number in counts)


def _shown(sender: str) -> str:
    """A sender as a text may show it: no full phone number, printable ASCII, not long."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in sender)
    if plain.startswith("+"):
        return f"{plain[:2]}..{plain[-4:]}"
    return plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 2]}.."
