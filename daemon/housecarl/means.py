"""The further means of an `async def` command: its store, follow-ups, later calls, locks."""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any
from weakref import WeakValueDictionary

import structlog

from housecarl import life, syntax
from housecarl.clock import Clock
from housecarl.envelope import Answer, Way
from housecarl.errors import CommandError, StorageError
from housecarl.execute import FAREWELL, is_cancelled
from housecarl.journal import Database, jobs, values
from housecarl.loop_watch import LoopWatch
from housecarl.module import House, Reply
from housecarl.outbox import Outbox
from housecarl.when import LONGEST

log = structlog.get_logger()

#: The module name under which work that goes on after its reply is noted in the journal.
BACKGROUND = "_background"

#: What each note of such work has.
FIELDS = frozenset("person command receipt address subject in_reply_to references".split())

#: The language in which modules write a command for later.
USUAL = House()

#: Seconds a stop waits for work that goes on in the background (a flash takes up to two minutes).
STOP_SECONDS = 150.0


@dataclass(frozen=True, slots=True)
class JournalStore:
    """Small values and series of one module, kept in the journal."""

    db: Database
    module: str
    clock: Clock

    async def get(self, key: str, default: Any = None) -> Any:
        """The value stored under `key`, else `default`."""
        value = await self.db.read(lambda c: values.get(c, self.module, key))
        return default if value is None else value

    async def set(self, key: str, value: Any) -> None:
        """Store a JSON value of at most 64 KiB; None removes the key."""
        at = self.clock.now().timestamp()
        await self.db.write(lambda c: values.put(c, self.module, key, value, at))

    async def take(self, key: str, value: Any, instead_of: Any = None) -> bool:
        """Store a value if the key holds `instead_of`; False when it does not, in one step."""
        at = self.clock.now().timestamp()
        return await self.db.write(
            lambda c: values.take(c, self.module, key, value, at, instead_of)
        )

    def beside(self, module: str) -> JournalStore:
        """The store of another module, for modules that share a device."""
        return replace(self, module=module)

    async def append(self, series: str, value: float, at: datetime | None = None) -> None:
        """Add one reading to a series; `at` defaults to now."""
        when, number = (at or self.clock.now()).timestamp(), float(value)
        if not isfinite(number):
            raise ValueError(f"{self.module}: {value} is no reading of {series}")
        await self.db.write(lambda c: values.read(c, self.module, series, when, number))

    async def series(
        self, series: str, since: datetime, until: datetime | None = None
    ) -> list[tuple[datetime, float]]:
        """The readings of a series in order of time, of more than 100,000 the newest."""
        end = (until or self.clock.now() + timedelta(seconds=1)).timestamp()
        start = since.timestamp()
        rows = await self.db.read(lambda c: values.readings(c, self.module, series, start, end))
        return [(datetime.fromtimestamp(at, UTC), value) for at, value in rows]


@dataclass(slots=True)
class Workshop:
    """What all calls share: the locks of devices and the work that goes on in the background."""

    db: Database
    outbox: Outbox
    clock: Clock
    wake_post: Callable[[], None]
    wake_jobs: Callable[[], None]
    watch: LoopWatch | None = None
    locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    #: what a start finds out about the work of the last life; begun anew when it is cut off
    questions: set[asyncio.Task[None]] = field(default_factory=set)

    def lock(self, device: str) -> AbstractAsyncContextManager[None]:
        """One call at a time per device."""
        return self.locks.setdefault(device, asyncio.Lock())

    def watching(self, command: str, file: str) -> AbstractContextManager[None]:
        """Name a command, whose code is in `file`, when it blocks the loop meanwhile."""
        return self.watch.watching(command, file) if self.watch else nullcontext()

    async def send(self, answer: Answer, own: Way | None) -> None:
        """Queue one more message for a person, durable on return, and wake the post."""
        now = self.clock.now().timestamp()
        sealed = await self.outbox.seal(answer, own, now)

        def queue(conn: sqlite3.Connection) -> None:
            self.outbox.queue(conn, answer, own, now, sealed)

        await self.db.write(queue)
        self.wake_post()

    async def conclude(self, key: str, answer: Answer | None, own: Way | None) -> None:
        """Tell the end of background work and forget the work, in one transaction.

        Nothing is told when it was forgotten already.
        """
        now = self.clock.now().timestamp()
        sealed = await self.outbox.seal(answer, own, now) if answer is not None else None

        def write(conn: sqlite3.Connection) -> None:
            known = values.get(conn, BACKGROUND, key) is not None
            values.put(conn, BACKGROUND, key, None, 0.0)
            if known and answer is not None:
                self.outbox.queue(conn, answer, own, now, sealed)

        await self.db.write(write)
        self.wake_post()

    async def remember(self, key: str, note: dict[str, Any]) -> None:
        """Note work that goes on in the background, before it does."""
        at = self.clock.now().timestamp()
        await self.db.write(lambda conn: values.put(conn, BACKGROUND, key, note, at))

    async def stop(self) -> None:
        """Wait for background work, bounded; what is cut off is told at the next start."""
        await _end(self.questions)
        if self.tasks:
            log.info("waiting-for-background-work", count=len(self.tasks))
            await asyncio.wait(self.tasks, timeout=STOP_SECONDS)
        await _end(self.tasks)


@dataclass(frozen=True, slots=True)
class CallMeans:
    """The means of one call."""

    workshop: Workshop
    store: JournalStore
    person: str
    command: str
    receipt: str
    way: Way | None
    file: str = ""
    #: whether the rights of the person are over by a time
    ended: Callable[[datetime], bool] = lambda _: False
    #: each is done once the journal knows of some work in the background
    notes: list[asyncio.Task[None]] = field(default_factory=list)

    async def follow_up(self, reply: Reply) -> None:
        """Send a second message on the same conversation."""
        await self.workshop.send(self._second(reply), self.way)

    async def schedule(self, when: datetime | timedelta, text: str) -> int:
        """Run `text` later as the same person; the number of the job.

        Raises CommandError for a person whose rights end before that, or who has so many already
        that no more are kept, ValueError for a time more than a year away.
        """
        now = self.workshop.clock.now()
        due = _due(now, when)
        if self.ended(due):
            raise CommandError("Your rights end before that.")
        words = json.dumps(words_of(text))

        def add(c: sqlite3.Connection) -> int | None:
            if len(jobs.waiting(c, self.person)) >= jobs.MOST:
                return None
            start = due.timestamp()
            return jobs.add(c, self.person, words, start, None, self.receipt, now.timestamp())

        job = await self.workshop.db.write(add)
        if job is None:
            raise CommandError(f"You have {jobs.MOST} jobs already. Cancel one first.")
        self.workshop.wake_jobs()
        return job

    async def cancel(self, job: int, instead: str | None = None) -> bool:
        """Cancel a job, or let it do something else; False when it is over."""
        words = json.dumps(words_of(instead)) if instead is not None else None

        def change(c: sqlite3.Connection) -> bool:
            return jobs.reword(c, job, words) if words else jobs.close(c, job, "cancelled")

        changed = await self.workshop.db.write(change)
        self.workshop.wake_jobs()
        return changed

    def progress(self, fraction: float) -> None:
        """Tell how far slow work is."""
        log.info("progress", command=self.command, id=self.receipt[:4], percent=int(fraction * 100))

    def lock(self, device: str) -> AbstractAsyncContextManager[None]:
        """One call at a time per device."""
        return self.workshop.lock(device)

    def spawn(self, work: Awaitable[None]) -> None:
        """Go on in the background; the journal knows, so that a crash is told."""
        key = f"{self.receipt}.{time.time_ns()}"
        note = note_of(self.person, self.command, self.receipt, self.way)
        self.notes.append(asyncio.create_task(self.workshop.remember(key, note)))
        task = asyncio.create_task(self._background(work, key), name=f"background {self.command}")
        self.workshop.tasks.add(task)
        task.add_done_callback(self.workshop.tasks.discard)

    async def _background(self, work: Awaitable[None], key: str) -> None:
        try:
            for noted in self.notes:
                await asyncio.shield(noted)  # a stop of this one is none of it
        except StorageError as error:  # who carries out the call meets it too, while they do
            log.error("not-begun", command=self.command, id=self.receipt[:4], why=str(error))
            asyncio.ensure_future(work).cancel()
            return
        end: Answer | None = None
        try:
            with self.workshop.watching(self.command, self.file):
                await work
        except BaseException as error:
            if is_cancelled(error):
                raise
            log.exception("background-failed", command=self.command, id=self.receipt[:4])
            end = self._second(Reply(f"{self.command} failed. Log {self.receipt[:4]}."))
        await self.workshop.conclude(key, end, self.way)

    def _second(self, reply: Reply) -> Answer:
        """One more message about this call, with a part and so a Message-ID of its own."""
        part = secrets.token_hex(4)
        return Answer(self.person, [reply], "follow-up", self.receipt, part=part)


async def _end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel some work; what a module will not let be cancelled is left to itself."""
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=FAREWELL)
    for task in late:
        log.error("work will not be cancelled", task=task.get_name())


def _due(now: datetime, when: datetime | timedelta) -> datetime:
    """When that is; raises ValueError for more than a year away."""
    with suppress(OverflowError):  # beyond all dates
        due = (now + when if isinstance(when, timedelta) else when).astimezone(UTC)
        if abs(due - now) <= LONGEST:
            return due
    raise ValueError(f"{when} is more than a year away")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a command as a module writes it, "!plug lamp off" or "plug lamp off".

    They are parted as in a text to a house with the usual symbol and delimiter, and kept as words,
    because this house may have others. Raises ValueError when it is no command.
    """
    line = " ".join(text.splitlines()).strip().removeprefix(USUAL.symbol)
    try:
        (call,) = syntax.parse(USUAL.symbol + line, "", USUAL, most=1)
    except CommandError as error:
        raise ValueError(f"{text!r} cannot be scheduled: {error}") from None
    return tuple(call.words)


def note_of(person: str, command: str, receipt: str, way: Way | None) -> dict[str, Any]:
    """What the next start must know to tell the truth about work that was cut off."""
    thread = way.thread if way else None
    return {
        **life.mark(),
        "person": person,
        "command": command,
        "receipt": receipt,
        "address": (way.address or "") if way else "",
        "subject": thread.subject if thread else "",
        "in_reply_to": thread.in_reply_to if thread else "",
        "references": json.dumps(thread.references if thread else ()),
    }
