"""Sends what the journal says is due, in order for each person, over few kept connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import random

import structlog

from housecarl.clock import Clock
from housecarl.config_post import Post as Settings
from housecarl.errors import PostLater, PostRefused, StorageError
from housecarl.journal import Database, replies
from housecarl.journal.replies import Due
from housecarl.post.dialogue import Dialogue, Dropped, ServiceFault
from housecarl.post.outage import Outage, pause
from housecarl.post.pool import Pool
from housecarl.post.sent import Sent
from housecarl.post.smarthost import connect

log = structlog.get_logger()

#: Replies taken from the journal at once: some tenths of a second of work.
BATCH = 200

#: People waiting per connection before another one is opened: TLS and AUTH cost more than a mail.
CROWD = 2

#: Told how the smarthost is, on every change: (well, one line for the operator).
Tell = Callable[[bool, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits in seconds and connections; tests make them small."""

    #: A whole dialogue about one mail; a smarthost that needs longer is as good as down.
    deadline: float = 120.0
    #: A connection nobody needed is closed: less than any smarthost's own limit, and no wake-ups.
    idle: float = 20.0
    #: What one house may hold open at a smarthost at once.
    connections: int = 4
    #: What a stop waits for the mail being handed in.
    grace: float = 5.0


class Post:
    """Carries replies out until `stop`; raises StorageError out of `run` when the journal fails."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        tell: Tell | None = None,
        bounds: Bounds = Bounds(),
        draw: Callable[[], float] = random,
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._tell = tell
        self._bounds = bounds
        self._outage = Outage(draw)
        self._woken = asyncio.Event()
        self._stopping = False
        #: what was taken from the journal: for each person in order, and who is nobody's turn yet
        self._lanes: dict[str, deque[Due]] = {}
        self._ready: deque[str] = deque()
        self._held: set[int] = set()
        self._sent = Sent(database, clock, self._noted)
        self._pool = Pool(bounds.idle)
        self._senders: set[asyncio.Task[None]] = set()
        self._fault: asyncio.Future[StorageError] | None = None

    def wake(self) -> None:
        """A reply waits, or one is to be tried again."""
        self._woken.set()

    async def run(self) -> None:
        """Carry replies out until `stop`."""
        self._fault = asyncio.get_running_loop().create_future()
        while not self._stopping:
            self._woken.clear()
            until = await self._take()
            await self._rest(until)
            if self._fault.done():
                raise self._fault.result()

    async def stop(self) -> None:
        """Finish the mail being handed in, bounded, and close the connections."""
        self._stopping = True
        self._lanes.clear()
        self._ready.clear()
        self._woken.set()
        if self._senders:
            _, late = await asyncio.wait(self._senders, timeout=self._bounds.grace)
            for task in late:
                task.cancel()
        await self._sent.settle()
        await self._pool.close()

    async def _take(self) -> datetime | None:
        """Take what is due and see that somebody sends it; when to look again, None: when woken."""
        now = self._clock.now()
        if self._outage.lasts(now):
            return self._outage.until
        if len(self._held) < BATCH:
            at = now.timestamp()
            for each in await self._database.read(lambda conn: replies.due(conn, at, 2 * BATCH)):
                self._queue(each)
        self._employ()
        if self._held:
            return None
        due = await self._database.read(replies.next_due)
        return None if due is None else datetime.fromtimestamp(due, UTC)

    def _queue(self, reply: Due) -> None:
        if reply.id in self._held:
            return
        self._held.add(reply.id)
        lane = self._lanes.get(reply.person)
        if lane is None:
            lane = self._lanes[reply.person] = deque()
            self._ready.append(reply.person)
        lane.append(reply)

    def _employ(self) -> None:
        """As many senders as the people who wait are worth; one until the smarthost took a mail."""
        most = self._bounds.connections if self._outage.proven else 1
        wanted = min(most, -(-len(self._ready) // CROWD))
        while self._ready and len(self._senders) < wanted:
            task = asyncio.create_task(self._send_all(), name="post sender")
            self._senders.add(task)
            task.add_done_callback(self._dismiss)

    def _dismiss(self, task: asyncio.Task[None]) -> None:
        self._senders.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(error)
        self._woken.set()

    def _noted(self, ids: list[int], error: BaseException | None) -> None:
        self._held.difference_update(ids)
        if error is not None:
            self._report(error)
        if not self._held:
            self._woken.set()

    def _report(self, error: BaseException) -> None:
        """A journal that cannot be written ends `run`; anything else is a fault of ours, told."""
        if isinstance(error, StorageError) and self._fault is not None and not self._fault.done():
            self._fault.set_result(error)
            self._woken.set()
        else:
            log.error("post-failed", exc_info=error)

    async def _rest(self, until: datetime | None) -> None:
        """Until woken, or until that time."""
        if until is None:
            await self._woken.wait()
            return
        waits = [
            asyncio.ensure_future(self._woken.wait()),
            asyncio.ensure_future(self._clock.wait_until(until)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _send_all(self) -> None:
        """One connection's work: person after person, until nobody waits or the smarthost fails."""
        dialogue: Dialogue | None = None
        try:
            while self._ready and not self._outage.lasts(self._clock.now()):
                person = self._ready.popleft()
                lane = self._lanes.get(person)
                while lane and not self._stopping:
                    dialogue = await self._send(lane, dialogue)
                    self._employ()
                self._lanes.pop(person, None)
        finally:
            if dialogue is not None:
                self._pool.keep(dialogue)

    async def _send(self, lane: deque[Due], dialogue: Dialogue | None) -> Dialogue | None:
        """Hand in the first reply of a lane; the connection, while it is fit for another one."""
        reply = lane[0]
        try:
            dialogue = await self._hand_in(reply, dialogue)
        except PostRefused as error:
            lane.popleft()
            await self._refuse(reply, str(error))
            return dialogue if dialogue is not None and dialogue.usable else None
        except (ServiceFault, Dropped) as error:
            await self._fail(reply, lane, error)
            return None
        except PostLater as error:
            await self._put_off(reply, lane, str(error), self._clock.now())
            return dialogue if dialogue is not None and dialogue.usable else None
        lane.popleft()
        self._sent.add(reply.id)
        await self._mend()
        return dialogue

    async def _hand_in(self, reply: Due, dialogue: Dialogue | None) -> Dialogue:
        """One mail over this connection or another; a kept one that died meanwhile is no fault."""
        sender = self._settings.from_
        try:
            async with asyncio.timeout(self._bounds.deadline):
                kept = dialogue if dialogue is not None else self._pool.spare()
                if kept is not None:
                    with suppress(Dropped):
                        if kept.usable:
                            await self._say(kept, sender, reply)
                            return kept
                fresh = await connect(self._settings, self._bounds.deadline)
                await self._say(fresh, sender, reply)
                return fresh
        except TimeoutError:
            raise ServiceFault(f"no end after {self._bounds.deadline:g} s") from None

    async def _say(self, dialogue: Dialogue, sender: str, reply: Due) -> None:
        """Hand in; a connection that was cut off in the middle is closed hard."""
        try:
            await dialogue.hand_in(sender, reply.to, reply.mail)
        except Dropped as error:
            if error.unheard:
                raise
            dialogue.transport.abort()
            raise ServiceFault(str(error)) from error
        except (asyncio.CancelledError, TimeoutError):
            dialogue.transport.abort()
            raise

    async def _fail(self, reply: Due, lane: deque[Due], error: PostLater) -> None:
        """The smarthost takes nothing: leave it alone for a while, everything waits."""
        now = self._clock.now()
        first = self._outage.fail(now, str(error), reply.tries)
        after = self._outage.until or now
        await self._put_off(reply, lane, str(error), after)
        self._lanes.clear()
        self._ready.clear()
        self._held = set(self._sent.pending)
        if first:
            log.warning("smarthost-away", why=str(error))
            if self._tell is not None:
                await self._tell(False, str(error))

    async def _mend(self) -> None:
        since = self._outage.mend()
        if since is not None:
            gone = self._clock.now() - since
            log.info("smarthost-back", after_seconds=int(gone.total_seconds()))
            if self._tell is not None:
                await self._tell(True, f"{self._settings.host} takes mail")

    async def _put_off(self, reply: Due, lane: deque[Due], error: str, after: datetime) -> None:
        """Try a reply again later, and with it the person's other ones; give it up when too old."""
        while lane:
            self._held.discard(lane.popleft().id)
        now = self._clock.now()
        age = now - datetime.fromtimestamp(reply.created, UTC)
        if age > timedelta(seconds=self._settings.give_up):
            await self._refuse(reply, f"given up after {age.days} days: {error}")
            return
        again = (after + pause(reply.tries + 1, self._outage.draw)).timestamp()
        await self._database.write(lambda conn: replies.later(conn, reply.id, again, error))

    async def _refuse(self, reply: Due, error: str) -> None:
        at = self._clock.now().timestamp()
        log.warning("reply-refused", reply=reply.id, person=reply.person, why=error)
        await self._database.write(lambda conn: replies.refused(conn, reply.id, error, at))
        self._held.discard(reply.id)
