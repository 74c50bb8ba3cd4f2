"""The watchman: looks at what is watched, and tells the owners what is news, each once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from housecarl import when
from housecarl.alerts import Alerts
from housecarl.clock import UNSET_CLOCK, Clock, rest
from housecarl.config import Config
from housecarl.errors import StorageError
from housecarl.journal import Database, conditions, values
from housecarl.journal.conditions import Condition
from housecarl.module import Reply
from housecarl.watches.chosen import sources
from housecarl.watches.sentence import say
from housecarl.watches.source import Notice, Source
from housecarl.watches.state import Finding, Rule, State, step

__all__ = ["Watchman", "sources"]

log = structlog.get_logger()

#: Whose values in the journal the states are; no module has such a name.
MODULE = "_watches"

#: Seconds that one look may take at the most; the others wait for it.
LOOK_SECONDS = 60.0

#: Parts that only a watch notes: what their names are up to the first dot.
NOTED = frozenset("host disk plug meter certificate".split())


@dataclass(slots=True)
class Round:
    """What one look at everything brought: what to write, and what to tell."""

    told: list[str] = field(default_factory=list)
    written: dict[str, Any] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)


class Watchman:
    """Looks when something is due or has changed, and sleeps else."""

    def __init__(
        self, config: Config, db: Database, clock: Clock, alerts: Alerts, sources: Iterable[Source]
    ) -> None:
        self._quiet = config.quiet
        self._zone = ZoneInfo(config.timezone)
        self._db = db
        self._clock = clock
        self._alerts = alerts
        self.sources = tuple(sources)
        self._due: dict[Source, datetime] = {}
        self._states: dict[str, State] = {}
        self._stamps: dict[str, str] = {}
        self._held: dict[str, Notice] = {}
        self._rules: dict[str, Rule] = {}
        self._woken = asyncio.Event()
        #: until when it sleeps, at the latest; now or earlier while it is awake
        self._until = datetime.min.replace(tzinfo=UTC)

    def wake(self) -> None:
        """Something changed that a source reads from the journal."""
        self._woken.set()

    @property
    def asleep(self) -> bool:
        """Whether it has looked at everything that was due or told."""
        return not self._woken.is_set() and self._until > self._clock.now()

    async def open(self) -> None:
        """Take up what the last life knew; what is not watched any more is forgotten."""
        names = frozenset[str]().union(*(source.names for source in self.sources))
        known = await self._db.read(lambda conn: values.notes(conn, MODULE, ()))
        noted = await self._db.read(conditions.listing)
        left = [name for name in known if name not in names]
        gone = [c.name for c in noted if _is_noted(c.name) and c.name not in names]
        for name in names & known.keys():
            self._states[name] = State.read(known[name])
            self._stamps[name] = str(known[name].get("stamp", ""))

        def forget(conn: sqlite3.Connection) -> None:
            for name in left:
                values.put(conn, MODULE, name, None, 0.0)
            for name in gone:
                conditions.forget(conn, name)

        if left or gone:
            await self._db.write(forget)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            now = self._until = self._clock.now()
            if self._clock.synchronised():
                await self._write(await self._look(now), now)
                await self._rest(self._wake_at(now))
            else:  # what is measured now would seem to have lasted for years
                await self._rest(now + UNSET_CLOCK)

    async def _look(self, now: datetime) -> Round:
        """Look at every source that is due, all at once."""
        next_ = {source: source.next(now) for source in self.sources}
        due = [
            source
            for source, at in next_.items()
            # later than at the next time: the clock was set back
            if at is None or not now < self._due.get(source, now) <= at
        ]
        self._due |= {source: at for source in due if (at := next_[source]) is not None}
        found = await asyncio.gather(*(_safely(source, now) for source in due))
        round_, quiet = Round(), self.quiet_until(now) is not None
        held, self._held = self._held, {}
        for each in (one for several in (held.values(), *found) for one in several):
            if isinstance(each, Notice):
                self._notice(each, round_, quiet)
            else:
                self._step(each, round_, now, quiet)
        return round_

    def _notice(self, notice: Notice, round_: Round, quiet: bool) -> None:
        if notice.stamp == self._stamps.get(notice.name):
            return
        if quiet and not notice.urgent:
            self._held[notice.name] = notice
            return
        self._stamps[notice.name] = notice.stamp
        round_.written[notice.name] = {"stamp": notice.stamp}
        round_.told.append(notice.text)

    def _step(self, found: Finding, round_: Round, now: datetime, quiet: bool) -> None:
        before = self._states.get(found.name, State())
        state, news = step(before, found, now.timestamp(), quiet)
        self._states[found.name], self._rules[found.name] = state, found.rule
        if before.stored() != state.stored():
            round_.written[found.name] = state.stored()
        changed = (before.trouble, before.text) != (state.trouble, state.text)
        if changed and (before.trouble or state.trouble) and _is_noted(found.name):
            since = state.since if state.since is not None else now.timestamp()
            text = f"{found.title}: {found.text}" if state.trouble else f"{found.title} is well"
            round_.conditions.append(Condition(found.name, not state.trouble, text, since))
        if news is not None:
            round_.told.append(say(found, news, now, self._zone))

    async def _write(self, round_: Round, now: datetime) -> None:
        """State, condition and message in one transaction: told once, also after a crash."""
        if not (round_.told or round_.written or round_.conditions):
            return
        at = now.timestamp()

        def write(conn: sqlite3.Connection) -> None:
            for name, value in round_.written.items():
                values.put(conn, MODULE, name, value, at)
            for condition in round_.conditions:
                conditions.note(conn, condition)
            if round_.told:
                self._alerts.queue(conn, Reply(" ".join(round_.told)), at)

        await self._db.write(write)
        for text in round_.told:
            log.info("watch", told=text)
        self._alerts.wake()

    def quiet_until(self, now: datetime) -> datetime | None:
        """When the quiet hours end, in which nothing is told that can wait; None outside them."""
        quiet = self._quiet
        if quiet is None or not within(now.astimezone(self._zone).time(), quiet.from_, quiet.to):
            return None
        return when.next_at(quiet.to, now, self._zone)

    def _wake_at(self, now: datetime) -> datetime | None:
        """When to look again, unless something is told before."""
        times = [*self._due.values(), *self._ripening(now)]
        if (end := self.quiet_until(now)) is not None:
            times.append(end)
        return min(times, default=None)

    def _ripening(self, now: datetime) -> Iterator[datetime]:
        """When findings that wait become news, of sources that are looked at when woken."""
        woken = (source for source in self.sources if source not in self._due)
        awaited = frozenset[str]().union(*(source.names for source in woken))
        for name in awaited & self._rules.keys():
            at = self._states[name].next(self._rules[name])
            # the next whole second: what is compared are fractions of one
            if at is not None and (until := datetime.fromtimestamp(int(at) + 1, UTC)) > now:
                yield until

    async def _rest(self, until: datetime | None) -> None:
        """Sleep until something is told, or due."""
        self._until = until or datetime.max.replace(tzinfo=UTC)
        await rest(self._clock, until, self._woken)


def within(at: time, begin: time, end: time) -> bool:
    """Whether a time of the day lies between two, also across midnight."""
    return begin <= at < end if begin <= end else at >= begin or at < end


async def _safely(source: Source, now: datetime) -> Sequence[Finding | Notice]:
    """One look; whatever breaks in it, the others go on."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await source.look(now)
    except StorageError:
        raise
    except Exception:
        log.exception("watch-failed", names=sorted(source.names))
        return ()


def _is_noted(name: str) -> bool:
    """Whether only a watch notes this part."""
    return name.partition(".")[0] in NOTED
