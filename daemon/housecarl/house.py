"""The house: all parts between the doors and the world, built from one configuration."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog

from housecarl import builtin, rebuild
from housecarl.admit import Admission
from housecarl.alerts import Alerts
from housecarl.clock import Clock
from housecarl.config_file import Loaded
from housecarl.envelope import Envelopes
from housecarl.errors import StorageError
from housecarl.intake import Intake
from housecarl.jobs import Clockwork
from housecarl.journal import JOURNAL, Database, conditions, people
from housecarl.journal.conditions import Condition
from housecarl.journal.replies import Due
from housecarl.judge import Judge
from housecarl.limits import Limits
from housecarl.lock import Lock
from housecarl.loop_watch import LoopWatch
from housecarl.means import Workshop
from housecarl.message.stamp import Stamp
from housecarl.outbox import Outbox
from housecarl.perform import Performer
from housecarl.plugs.settings import PlugAddress
from housecarl.post import Post, Rules
from housecarl.process import try_file
from housecarl.record import Record
from housecarl.recover import Recovery
from housecarl.registry import Registry
from housecarl.remains import Remains, see_journal
from housecarl.reply import Renderer
from housecarl.retention import Sweeper
from housecarl.rounds import Rounds
from housecarl.shipped import shipped
from housecarl.spool import Spool
from housecarl.stranded import STUCK
from housecarl.trust import PATIENCE, NameServers, Resolver, Trust
from housecarl.waiting import Waiting
from housecarl.watches import Watchman, sources
from housecarl.worker import Worker

log = structlog.get_logger()


class House:
    """Spool, journal, judge, worker and post of one life; `open`, then `close` once.

    Raises ConfigError for what only the modules can tell is wrong, StorageError when spool or
    journal cannot be used.
    """

    def __init__(self, loaded: Loaded, clock: Clock, resolver: Resolver | None = None) -> None:
        self.config = config = loaded.config
        self.clock = clock
        self.spool = Spool(config.spool)
        self.db = Database(config.spool / JOURNAL)
        self.registry = Registry(
            shipped("modules"),
            config.modules.folders,
            config.modules.settings,
            locate=loaded.source.problem,
            context=loaded.source.context,
            trial=try_file,
        )
        self.facts = config.facts
        self.intake = Intake(self.spool, self.tell)
        self.off: dict[str, float] = {}
        self.doubted: set[str] = set()
        self.watch = LoopWatch(asyncio.get_running_loop())
        trust = Trust.of(config, resolver or NameServers(config.trust.resolver, patience=PATIENCE))
        self.judge = Judge(config, trust, self.registry, self.off.__contains__, self.watch)
        self.registry.add_builtin(
            *builtin.commands(self.db, self.judge, config, clock, self.wake_jobs)
        )
        renderer = Renderer(symbol=config.language.symbol, budget=config.limits.reply_septets)
        outbox = Outbox(Envelopes(config, renderer), config.limits)
        tell, post = partial(self.tell, "post"), config.post
        rules = Rules(self.off.__contains__, outbox.envelopes.astray, config.limits.texts)
        self.post = Post(post, self.db, clock, tell, rules) if post else None
        self.workshop = Workshop(self.db, outbox, clock, self.wake_post, self.wake_jobs, self.watch)
        self.alerts = Alerts(config, self.workshop, self.off.__contains__)
        self.performer = Performer(config, self.workshop)
        self.record = Record(self.db, outbox)
        self.waiting = Waiting(self.db, self.record, clock, self.offer)
        self.worker = self._make_worker()
        self.clockwork = Clockwork(self.db, config, clock, self.deliver)
        self.sweeper = Sweeper(config, self.db, clock)
        watched = sources(config, self.workshop, self._plugs)
        self.watchman = Watchman(config, self.db, clock, self.alerts, watched)
        self.rounds = Rounds(self.registry, self.facts, self.alerts, self.watchman.quiet_until)
        self._tasks: list[asyncio.Task[None]] = []
        self._clocks: list[asyncio.Task[None]] = []
        self._sweep_task: asyncio.Task[None] | None = None

    def _make_worker(self) -> Worker:
        """The worker, with what each of its steps needs."""
        return Worker(
            spool=self.spool,
            judge=self.judge,
            admission=Admission(self.db, self.judge, self.doubted),
            limits=Limits(self.config),
            record=self.record,
            perform=self.performer.perform,
            challenge=self.performer.challenge,
            postpone=self.waiting.postpone,
            clock=self.clock,
            send=self.send,
            tell=self.tell,
            alert=self.alerts.send,
        )

    async def open(self, lock: Lock, *, again: bool = False) -> None:
        """Open every part and take up what the last life left; `again`: misfit modules are off."""
        await asyncio.to_thread(self.spool.open, alone=True)
        remains, outbox = Remains(self.config), self.workshop.outbox
        mender = rebuild.Rebuild(self.db.path, remains, outbox, self.clock)
        await asyncio.to_thread(mender.mend)
        await asyncio.to_thread(self.db.open)
        await self._note_start()
        await self.spool.start()
        await self.registry.load_installed()
        await self.reload_modules()
        if not again:
            self.registry.check_settings()
        await self.refresh()
        await self.worker.start()
        await Recovery(
            self.spool,
            self.db,
            self.record,
            self.workshop,
            self.clock,
            self.worker,
            self.registry.find,
            self.facts,
        ).recover(lock)
        # Only now: what the last life left unsaid is older than any answer of this one.
        if self.post is not None:
            self._tasks.append(asyncio.create_task(self.post.run(), name="post"))
        self._clocks.append(asyncio.create_task(self.clockwork.run(), name="clockwork"))
        self._sweep_task = asyncio.create_task(self.sweeper.run(), name="sweeper")
        self._clocks.append(asyncio.create_task(self.rounds.run(), name="rounds"))
        await self.watchman.open()
        if self.watchman.sources:
            self._clocks.append(asyncio.create_task(self.watchman.run(), name="watchman"))

    async def _note_start(self) -> None:
        """Note what a rebuild has left, to look at and to doubt; forget what waited for a start."""
        now = self.clock.now().timestamp()
        names = await asyncio.to_thread(rebuild.aside, self.db.path.parent)

        def note(conn: sqlite3.Connection) -> None:
            rebuild.note_aside(conn, names, now)
            conditions.forget(conn, STUCK)
            conditions.forget_gone(conn, "spool", ())  # found anew if it still is

        await self.db.write(note)
        self.doubted.update(await self.db.read(rebuild.doubted))

    @asynccontextmanager
    async def at_the_desk(self) -> AsyncIterator[None]:
        """Open just what a verb needs to carry out one command beside a running daemon."""
        await asyncio.to_thread(self.spool.open)
        await asyncio.to_thread(see_journal, self.config.spool, self.db.path)
        await asyncio.to_thread(self.db.open)
        try:
            await self.registry.load_installed()
            await self.registry.reload()
            self.registry.check_settings()
            self.off.update(await self.db.read(people.off))
            yield
        finally:
            await self.workshop.stop()
            await asyncio.to_thread(self.watch.stop)
            await self.spool.stop()
            await self.db.close()

    async def close(self) -> None:
        """Finish what is in hand, then stop every part, bounded; nothing is lost by it."""
        self.intake.stop()
        for task in (*self._clocks, self._sweep_task):
            if task is not None:
                task.cancel()
        for part in (self.worker, self.workshop):
            with suppress(StorageError):
                await part.stop()
        self.waiting.stop()  # only now: what was in hand may have come to wait
        if self.post is not None:
            self.post.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.watch.stop)
        await self.spool.stop()
        await self.db.close()

    async def deliver(self, raw: bytes, stamp: Stamp) -> str:
        """What a door does with a message: safe on return, then carried."""
        name = await self.intake.put(raw, stamp)
        self.offer(name)
        return name

    def offer(self, name: str) -> None:
        """Carry a message that is safe in the spool."""
        self.worker.offer(name)

    def send(self, reply: Due | None) -> None:
        """Send a reply that is safe in the journal; None: one was queued that has to wait."""
        if self.post is not None and reply is not None:
            self.post.push(reply)
        else:
            self.wake_post()

    def wake_post(self) -> None:
        """The journal may hold a reply that is due."""
        if self.post is not None:
            self.post.wake()

    def wake_jobs(self) -> None:
        """A job was added or cancelled."""
        self.clockwork.wake()

    async def settle(self) -> None:
        """Wait until every message that was offered is carried and in its last folder."""
        await self.worker.idle()
        await self.spool.settle()

    async def refresh(self, *, asked: bool = False) -> None:
        """Take over what another process wrote into the journal; `asked` by a verb or a reload."""
        off = await self.db.read(people.off)
        self.off.clear()
        self.off.update(off)
        if asked and self.post is not None:
            await self.post.recheck()
        self.wake_post()
        self.wake_jobs()

    async def reload_modules(self) -> None:
        """Read module files that are new or changed; a broken one is off and named."""
        before = self.registry.faults
        await self.registry.reload()
        self.rounds.wake()
        now = self.registry.faults
        for file in sorted(before.keys() | now.keys()):
            if before.get(file) != now.get(file):
                fault = now.get(file)
                gone = os.path.isabs(file) and not os.path.exists(file)  # noqa: PTH110, PTH117 - no raise
                text = fault or f"{file} {'is gone' if gone else 'works again'}"
                await self.tell(f"module.{file}", fault is None, text)
        await self._forget_gone()

    async def _forget_gone(self) -> None:
        """Forget what had a trouble once and has none or is no more: doors, modules, the post."""
        faults, named = self.registry.faults, self.config.doors.model_dump(exclude_none=True)

        def forget(conn: sqlite3.Connection) -> None:
            conditions.forget_gone(conn, "door", named)
            conditions.forget_gone(conn, "module", faults)
            conditions.forget_gone(conn, "post", [""] if self.post else [])  # it has no parts

        await self.db.write(forget)

    def _plugs(self) -> Mapping[str, PlugAddress]:
        """The plugs of the module of that name, none when it is off."""
        command = self.registry.find("plug")
        return getattr(command and command.settings, "plugs", {})

    async def tell(self, name: str, ok: bool, text: str) -> None:
        """Note how a part of the house is; a change is one log line and one event."""
        condition = Condition(name, ok, text, self.clock.now().timestamp())
        if await self.db.write(lambda conn: conditions.note(conn, condition)):
            (log.info if ok else log.warning)(name, well=ok, text=text)
        self.watchman.wake()

    async def trouble(self) -> StorageError:
        """Wait until spool, journal or post cannot go on."""
        waits: list[asyncio.Future[StorageError] | asyncio.Task[None]] = [self.worker.trouble]
        if self.spool.trouble is not None:
            waits.append(self.spool.trouble)
        waits += [*self._tasks, *self._clocks]
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            error = each.exception() or each.result()
            if isinstance(error, StorageError):
                return error
            if isinstance(error, BaseException):
                raise error
        return StorageError("a part of the house ended")
