"""Sends what the journal says is due, in order for each person, over few kept connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from random import random
from sqlite3 import Connection
from typing import Any

import structlog

from housecarl.clock import Clock, rest
from housecarl.config_post import Post as Settings
from housecarl.errors import PostLater, PostRefused
from housecarl.journal import Database, replies, texts
from housecarl.journal.replies import Due
from housecarl.post.answer import ServiceFault, brief
from housecarl.post.budget import TooSoon
from housecarl.post.expiry import Expiry
from housecarl.post.handover import Handover, Rules
from housecarl.post.lanes import Lanes, Taken
from housecarl.post.outage import LONGEST, Outage, pause
from housecarl.post.pool import Bounds

log = structlog.get_logger()

#: Replies taken from the journal at once: some tenths of a second of work.
BATCH = 200
#: People waiting per connection before another one is opened: TLS and AUTH cost more than a mail.
CROWD = 2
#: Seconds that what was sent gathers before the journal is told: no barrier hangs on it. After a
#: crash in between it is sent again with the same Message-ID, so not for longer than it pays.
GATHER_SECONDS = 0.03

#: Told how the smarthost is, on every change: (well, one line for the operator).
Tell = Callable[[bool, str], Coroutine[Any, Any, None]]


class Post:
    """Carries replies out until `stop`; `run` raises StorageError when the journal fails.

    A reply is tried until it is taken, refused for good, or older than `give_up` of the config. One
    that was taken but not acknowledged is sent again with the same Message-ID.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        tell: Tell,
        rules: Rules,
        bounds: Bounds | None = None,
        draw: Callable[[], float] = random,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._tell = tell
        self._bounds = bounds = bounds or Bounds()
        self._draw = draw
        self._handover = Handover(settings, bounds, self._now, rules)
        self._expiry = Expiry(clock, settings.give_up)
        self._outage = Outage(f"{settings.host}:{settings.port}", draw)
        self._lanes = Lanes()
        self._woken = asyncio.Event()
        self._ending = asyncio.Event()
        self._senders: set[asyncio.Task[None]] = set()
        self._sent: list[Due] = []
        #: what the smarthost has and the journal may not know of; outlives a fault of the disk
        self.taken: set[Taken] = set()
        self._noting = False
        #: the last look found more than it may take
        self._full = False
        #: the last look left nothing waiting in the journal alone: a push has nothing before it
        self._clear = False
        self._next_due: float | None = None

    async def run(self) -> None:
        """Send until `stop` is called."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._database.read(self._resume)
                while not self._ending.is_set():
                    self._woken.clear()
                    await self._look()
                    self._start()
                    await self._rest()
                timer = asyncio.get_running_loop().call_later(self._bounds.grace, self._cut_short)
            timer.cancel()
            await self._handover.pool.close()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from group
        finally:
            self._clear = False
            self._handover.pool.abort()

    def wake(self) -> None:
        """The journal holds something new, which no push may overtake."""
        self._clear = False
        self._woken.set()

    def push(self, due: Due) -> None:
        """A reply that was just committed and is due now; saves a look when nothing else waits."""
        if self._clear and not self._ending.is_set():
            self._lanes.add(due)
            self._start()
        else:
            self._woken.set()

    async def recheck(self) -> None:
        """Somebody changed the queue: forget what was dropped, try now what is to be tried."""
        self._lanes.forget(await self._database.read(partial(replies.over, ids=self._lanes.ids)))
        self._outage.look()
        self.wake()

    def _resume(self, conn: Connection) -> None:
        """Go on where the last life ended."""
        self._outage.resume(conn)
        self._handover.resume(conn)

    def stop(self) -> None:
        """Let `run` end once the mails being handed in are through, seconds at most."""
        self._ending.set()
        self._woken.set()

    async def _look(self) -> None:
        # until the journal has said what waits in it, a push could overtake it
        self._clear = False
        if self._lanes.ready and self._resting():
            # nothing can go before, and what waits in a long outage need not be in memory
            self._next_due = None
            return
        self._lanes.look()
        now = self._now()
        limit = self._lanes.known + BATCH

        def read(conn: Connection) -> tuple[list[Due], float | None]:
            return replies.due(conn, now, limit), replies.next_due(conn, now)

        found, self._next_due = await self._database.read(read)
        for due in found:
            self._lanes.add(due)
        self._lanes.looked()
        self._full = len(found) >= limit
        self._clear = self._next_due is None and not (self._full or self._woken.is_set())
        self._expire(self._expiry.before())

    async def _rest(self) -> None:
        """Wait for news, or for the time of the next try."""
        times = [] if self._next_due is None else [self._next_due]
        if self._lanes.ready and self._outage.until is not None:
            times.append(self._outage.until.timestamp())
        # never longer than that: the clock may be set back while this is being worked out
        latest = self._clock.now() + LONGEST
        until = min(datetime.fromtimestamp(min(times), UTC), latest) if times else None
        await rest(self._clock, until, self._woken)

    def _start(self) -> None:
        """Start senders: one for a smarthost in doubt, more when many people wait."""
        while self._lanes.ready and not self._resting():
            count = len(self._senders)
            most = 1 if self._outage.alone else self._bounds.connections
            if count and (count >= most or self._lanes.ready <= CROWD * count):
                return
            sender = self._tasks.create_task(self._send())
            self._senders.add(sender)
            sender.add_done_callback(self._ended)

    def _ended(self, sender: asyncio.Task[None]) -> None:
        """Only now is it known that nobody sends what was pushed as the sender looked in vain."""
        self._senders.discard(sender)
        if not sender.cancelled() and sender.exception() is None:
            self._start()

    def _resting(self) -> bool:
        return self._ending.is_set() or self._outage.lasts(self._clock.now())

    async def _send(self) -> None:
        """One sender: a reply at a time, until none is ready or the smarthost fails."""
        while not self._resting() and (due := self._lanes.next()) is not None:
            try:
                if (due.id, due.mail) not in self.taken:
                    await self._handover.hand_in(due)
            except PostRefused as error:
                self._lanes.done(due)
                self._bury(due, str(error))
            except TooSoon as error:
                self._keep_back(due, error.until)
            except ServiceFault as error:
                self._fail(due, error)
            except PostLater as error:
                self._postpone(due, str(error))
            else:
                self._done(due)

    def _done(self, due: Due) -> None:
        self._lanes.done(due)
        if self._outage.in_doubt:
            self._mend()
        if self._lanes.empty and not self._full:
            self._outage.emptied()
        self._sent.append(due)
        self.taken.add((due.id, due.mail))
        if not self._noting:
            self._noting = True
            self._tasks.create_task(self._note_sent())

    def _mend(self) -> None:
        lasted = self._outage.since is not None
        self._outage.mend()
        if lasted:
            self._tasks.create_task(self._database.write(self._outage.kept()))
        self._report(True, f"{self._settings.host} takes mail")
        self._start()

    def _report(self, well: bool, text: str) -> None:
        """One line when the smarthost goes away and one when it is back, by whoever keeps them."""
        self._tasks.create_task(self._tell(well, text))

    def _fail(self, due: Due, error: ServiceFault) -> None:
        """The smarthost takes nothing: all wait, and one connection tries again later."""
        text = brief(str(error))
        if self._outage.fail(self._clock.now(), text):
            self._report(False, text)
        self._tasks.create_task(self._database.write(self._outage.kept()))
        self._tasks.create_task(self._note(partial(replies.vain, reply=due.id, error=text), []))
        self._lanes.back(due._replace(tries=due.tries + 1))
        self._expire(self._expiry.before())

    def _postpone(self, due: Due, error: str) -> None:
        if due.created <= self._expiry.before():
            self._lanes.done(due)
            self._bury(due, f"expired: {error}")
            return
        ids, text = self._lanes.hold(due), brief(error)
        when = (self._clock.now() + pause(due.tries + 1, self._draw)).timestamp()
        self._tasks.create_task(
            self._note(lambda conn: replies.later(conn, due.id, when, text), ids, due.person)
        )

    def _keep_back(self, due: Due, until: float) -> None:
        """It was not tried, and mails to the same person need not wait for it."""
        ids, now = self._lanes.hold(due), self._now()
        self._tasks.create_task(
            self._note(lambda conn: texts.keep_back(conn, due.id, until, now), ids, due.person)
        )

    def _bury(self, due: Due, error: str) -> None:
        text, now = brief(error), self._now()
        log.warning("reply-refused", reply=due.id, person=due.person, why=text)
        self._tasks.create_task(
            self._note(lambda conn: replies.refused(conn, due.id, text, now), [due.id])
        )

    def _expire(self, before: float) -> None:
        """During an outage, give up what has become too old."""
        for due in self._lanes.overdue(before) if self._outage.since is not None else ():
            self._bury(due, f"expired: {self._outage.error}")

    async def _note(
        self, do: Callable[[Connection], None], ids: list[int], person: str | None = None
    ) -> None:
        await self._database.write(do)
        self._lanes.settle(ids, person)
        self._woken.set()

    async def _note_sent(self) -> None:
        """Note what was sent, all that came together in one write; in a backlog without waiting."""
        while self._sent:
            if not self._full:
                with suppress(TimeoutError):  # nobody waits for it, but a stop does
                    async with asyncio.timeout(GATHER_SECONDS):
                        await self._ending.wait()
            sent, self._sent = self._sent, []
            ids = [due.id for due in sent]
            await self._database.write(partial(replies.sent, ids=ids, at=self._now()))
            self.taken.difference_update((due.id, due.mail) for due in sent)
            self._lanes.settle(ids)
        self._noting = False
        if self._lanes.ready < BATCH // 4 and self._full or self._lanes.empty and not self._clear:
            self._woken.set()

    def _cut_short(self) -> None:
        """The grace of a stop is over: what is not acknowledged is sent again after the start."""
        for sender in self._senders:
            sender.cancel()

    def _now(self) -> float:
        return self._clock.now().timestamp()
