"""The clockwork: commands for later and for regularly become messages when their time has come."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from housecarl import syntax, when
from housecarl.clock import UNSET_CLOCK, Clock, rest
from housecarl.config import Config
from housecarl.doors.door import Deliver
from housecarl.doors.drop_text import as_message
from housecarl.errors import CommandError, SpoolFull
from housecarl.journal import Database, jobs
from housecarl.journal.jobs import Job
from housecarl.message.stamp import Stamp

log = structlog.get_logger()

#: Until it is looked again whether a full disk has room (30 s: late by little, and asked rarely).
NO_ROOM = timedelta(seconds=30)

#: Seconds since 1970 that no date reaches; what is due then can only be ended.
END_OF_TIME = datetime.max.replace(tzinfo=UTC).timestamp()


class Clockwork:
    """Hands due jobs to `deliver` as messages of the person who asked.

    Each goes the whole way of a message, so rights are checked when it runs. Its key names job and
    time: one that is handed in twice because of a crash is carried out once. Its arrival is the
    time it was due, so that the rule about late messages decides what was missed.
    """

    def __init__(self, db: Database, config: Config, clock: Clock, deliver: Deliver) -> None:
        self._db = db
        self._config = config
        self._zone = ZoneInfo(config.timezone)
        self._clock = clock
        self._deliver = deliver
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A job was added or cancelled."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled; sleeps as long as nothing is due."""
        while True:
            self._woken.clear()
            await rest(self._clock, await self._work(), self._woken)

    async def _work(self) -> datetime | None:
        """Hand in what is due; returns when to look again, None when there is no job.

        Each is read in its turn: it may be cancelled while the one before it is handed in.
        """
        while (job := await self._db.read(jobs.first)) is not None:
            now = self._clock.now()
            if not self._clock.synchronised():
                return now + UNSET_CLOCK
            if now.timestamp() < job.due < END_OF_TIME:
                if await self._bring_forward(now):
                    continue
                return datetime.fromtimestamp(job.due, UTC)
            try:
                await self._fire(job, now)
            except SpoolFull:  # the intake tells it
                return self._clock.now() + NO_ROOM
        return None

    async def _bring_forward(self, now: datetime) -> bool:
        """Set regular jobs that a clock which was ahead has put off to their next time."""
        nearer: dict[int, float] = {}
        for job in await self._db.read(jobs.regular):
            with suppress(CommandError):  # it is ended when it is due
                at = _regular(job).next(now, self._zone).timestamp()
                if at < job.due:
                    nearer[job.id] = at

        def write(conn: sqlite3.Connection) -> None:
            for number, at in nearer.items():
                jobs.postpone(conn, number, at)

        if nearer:
            await self._db.write(write)
        return bool(nearer)

    async def _fire(self, job: Job, now: datetime) -> None:
        """Hand one job in, then note when it is due again; a crash between is caught by its key."""
        if job.person not in self._config.people:  # its message would be a stranger's
            log.warning("job-of-nobody", number=job.id, person=job.person)
            await self._db.write(lambda conn: jobs.close(conn, job.id, "missed"))
            return
        following: datetime | None = None
        try:
            due = datetime.fromtimestamp(job.due, UTC)
            regular = _regular(job) if job.every is not None else None
            if not (words := job.words):
                raise CommandError("its command is damaged")
        except (CommandError, ValueError, TypeError, OverflowError) as error:
            # one row that another version wrote must not keep the house from living
            log.error("job-unreadable", number=job.id, person=job.person, why=str(error))
            await self._db.write(lambda conn: jobs.close(conn, job.id, "missed"))
            return
        if regular is not None:
            following = regular.next(due, self._zone)
            if not regular.has(due, self._zone):  # planned by the clocks of another time zone
                await self._postpone(job, following)
                return
            while following <= now:  # the house was down: only the last time counts
                due, following = following, regular.next(following, self._zone)
        stamp = Stamp(
            door="job",
            arrived=due,
            key=f"job:{job.id}:{due.timestamp():.0f}",
            uid=str(os.geteuid()),
            as_person=job.person,
        )
        line = syntax.write(words, self._config.language)
        await self._deliver(as_message(line.encode()), stamp)
        log.info("job", number=job.id, person=job.person)
        if following is None:
            await self._db.write(lambda conn: jobs.close(conn, job.id, "done"))
        else:
            await self._postpone(job, following)

    async def _postpone(self, job: Job, until: datetime) -> None:
        await self._db.write(lambda conn: jobs.postpone(conn, job.id, until.timestamp()))


def _regular(job: Job) -> when.Every:
    """When a regular job is due; raises CommandError for what another version wrote."""
    return when.every(tuple((job.every or "").split()))[0]
