"""`!in`, `!at`, `!every`, `!jobs`, `!cancel`: commands for later and for regularly."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog

from housecarl import when
from housecarl.clock import Clock
from housecarl.config import Config
from housecarl.execute import is_cancelled
from housecarl.journal import Database, jobs
from housecarl.journal.jobs import MOST, Job
from housecarl.judge import Judge
from housecarl.means import CallMeans
from housecarl.module import Call, CommandError, Reply, Risk, command
from housecarl.reply import MAX_TEXT

log = structlog.get_logger()

#: Characters of a job in an answer besides what it does: its number, and what is between two.
BESIDES = 25

#: Seconds for what goes with a job that is cancelled: then there is time to tell that it is.
BESIDES_SECONDS = 15.0

#: Days from which on a date is told with its year (11 months: else it seems to be near, or past).
YEAR_DAYS = 330

#: Numbers of jobs are smaller: it is more than SQLite can count to.
TOO_LARGE = 2**63

Made = Callable[..., Awaitable[Reply]]


class Jobs:
    """The commands, over the journal and the rights; `wake` tells the clockwork of a change."""

    def __init__(
        self, db: Database, judge: Judge, config: Config, clock: Clock, wake: Callable[[], None]
    ) -> None:
        self._db = db
        self._judge = judge
        self._clock = clock
        self._wake = wake
        self._zone = ZoneInfo(config.timezone)

    @property
    def commands(self) -> tuple[Made, ...]:
        """All of them, ready for the registry."""
        return self.in_, self.at, self.every, self.list_, self.cancel

    @command(name="in", risk=Risk.CHANGE)
    async def in_(self, call: Call, span: str, *words: str) -> Reply:
        """Do something later: in 20m plug lamp off"""
        return await self._keep(call, words, self._clock.now() + when.span(span), None)

    @command(risk=Risk.CHANGE)
    async def at(self, call: Call, time: str, *words: str) -> Reply:
        """Do something at a time: at 22:30 plug lamp off"""
        due = when.next_at(when.clock_time(time), self._clock.now(), self._zone)
        return await self._keep(call, words, due, None)

    @command(risk=Risk.CHANGE)
    async def every(self, call: Call, time: str, *words: str) -> Reply:
        """Do something regularly: every day 7:00 weather

        day, weekday, weekend or a day's name with a time; or hour, 30m, 2h.
        """
        regular, rest = when.every((time, *words))
        first = regular.next(self._clock.now(), self._zone)
        return await self._keep(call, rest, first, regular.text)

    @command(name="jobs")
    async def list_(self, call: Call) -> Reply:
        """What is to be done later, and its numbers."""
        found = await self._db.read(lambda conn: jobs.waiting(conn, call.person))
        if not found:
            return Reply("No jobs.")
        told = [(job.id, self._line(job, min(len(found), MOST))) for job in found[:MOST]]
        text = "; ".join(f"{number}: {line}" for number, line in told)
        # what modules do later for a person comes on top of what that person may ask for
        head = f"Jobs, {MOST} of {len(found)}" if len(found) > MOST else "Jobs"
        return Reply(f"{head}: {text}.", rows=[(str(number), line) for number, line in told])

    @command(risk=Risk.CHANGE)
    async def cancel(self, call: Call, number: int) -> Reply:
        """Cancel a job: cancel 3"""

        def close(conn: sqlite3.Connection) -> Job | None:
            job = jobs.find(conn, number)
            if job is None or job.person != call.person:
                return None
            jobs.close(conn, number, "cancelled")
            return job

        job = await self._db.write(close) if 0 < number < TOO_LARGE else None
        if job is None:
            raise CommandError(f"You have no job {number}. {call.house.typed('jobs')} lists them.")
        self._wake()
        return Reply(
            f"Job {number} cancelled: {self._line(job, 1)}.{await self._besides(call, job)}"
        )

    async def _besides(self, call: Call, job: Job) -> str:
        """What its command has to say; the job is cancelled, whatever breaks in there."""
        command = self._judge.registry.find(job.words[0]) if job.words else None
        if command is None or command.spec.cancelled is None:
            return ""
        means = call.means
        assert isinstance(means, CallMeans)  # those that the house gives
        store = means.store.beside(command.module)
        means = replace(means, store=store, command=command.name, file=command.file)
        own = replace(call, name=command.name, args=(), settings=command.settings, means=means)
        try:
            with means.workshop.watching(command.name, command.file):
                async with asyncio.timeout(BESIDES_SECONDS):
                    said = await command.spec.cancelled(own, job.id)
        except BaseException as error:
            if is_cancelled(error):
                raise
            log.exception("cancelled-failed", command=command.name, number=job.id)
            said = "What goes with it may go on."
        return f" {said}" if said else ""

    async def _keep(
        self, call: Call, words: tuple[str, ...], due: datetime, every: str | None
    ) -> Reply:
        """Note a job, once it is sure that this person could run it now."""
        if not words:
            typed = call.house.typed(call.name)
            raise CommandError(f"Do what? Write {typed}, the time, and a command.")
        self._judge.rehearse(call.person, words, self._clock.now(), due)
        now = self._clock.now().timestamp()

        def add(conn: sqlite3.Connection) -> int | None:
            if len(jobs.waiting(conn, call.person)) >= MOST:
                return None
            text = json.dumps(words)
            return jobs.add(conn, call.person, text, due.timestamp(), every, call.id, now)

        number = await self._db.write(add)
        if number is None:
            lists = f"{call.house.typed('jobs')} lists them"
            raise CommandError(f"You have {MOST} jobs already. Cancel one: {lists}.")
        self._wake()
        said = f"every {every}" if every else self._said(due)
        return Reply(f"Job {number}: {said} {' '.join(words)}.")

    def _line(self, job: Job, number: int) -> str:
        """What it does and when, as short as so many must be to fit one answer."""
        due = datetime.fromtimestamp(job.due, UTC)
        said = f"every {job.every}" if job.every else self._said(due)
        line = f"{said} {' '.join(job.words) or 'something unreadable'}"
        longest = MAX_TEXT // number - BESIDES
        return line if len(line) <= longest else f"{line[: longest - 2]}.."

    def _said(self, due: datetime) -> str:
        """A coming time as it is shortest and clear."""
        local, today = due.astimezone(self._zone), self._clock.now().astimezone(self._zone).date()
        days = (local.date() - today).days
        if days == 0:
            return f"{local:%H:%M}"
        if days < 7:
            return f"{local:%a %H:%M}"
        return f"{local:%d %b %H:%M}" if days < YEAR_DAYS else f"{local:%d %b %Y %H:%M}"
