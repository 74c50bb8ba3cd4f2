"""The rounds: work that modules do regularly, each at its own interval, and what is news in it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

import structlog

from housecarl.alerts import Alerts
from housecarl.answer import finding
from housecarl.clock import UNSET_CLOCK, rest
from housecarl.commands import PARTS, Command
from housecarl.errors import StorageError
from housecarl.execute import is_cancelled
from housecarl.journal import conditions, values
from housecarl.journal.conditions import Condition
from housecarl.means import CallMeans, JournalStore
from housecarl.module import Call, Finding, House, Reply
from housecarl.quantity import DAY
from housecarl.registry import Registry

log = structlog.get_logger()

#: The name and the key under which the journal keeps which modules do rounds.
OWN, MODULES = "_rounds", "modules"

#: The name under which the journal keeps what is told after the quiet hours, by what was found.
HELD = "_rounds_held"

#: Seconds between two rounds of one module at the least: a house should sleep.
SHORTEST = 60.0

#: Seconds between two rounds of one module at the most, a year: what comes later never comes.
LONGEST = 366 * DAY


class Rounds:
    """Does the regular work of every command that has some; sleeps for ever when none has.

    The times are the multiples of the interval, so a restart neither shifts nor repeats one. What
    is found becomes a condition of the house; the owners are told when it goes wrong and when it is
    well again, each once: after the quiet hours, if it is still so then.
    """

    def __init__(
        self,
        registry: Registry,
        house: House,
        alerts: Alerts,
        quiet_until: Callable[[datetime], datetime | None],
    ) -> None:
        self._registry = registry
        self._house = house
        self._workshop = alerts.workshop
        self._clock = alerts.workshop.clock
        self._alerts = alerts
        self._quiet_until = quiet_until
        #: what a watch on a plug tells, so that it is not told twice
        self._told = {
            f"energy.{name}{part}"
            for name in alerts.config.watches.plugs
            for part in ("", ".counter")
        }
        self._due: dict[str, datetime] = {}
        #: the names that each command found when its work was last done, in this life
        self._names: dict[str, Collection[str]] = {}
        #: the work that goes on now, each on its own: a slow one keeps no other waiting
        self._working: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        #: until when it sleeps, at the latest; None while it is awake
        self._until: datetime | None = None

    def wake(self) -> None:
        """The modules were read again."""
        self._woken.set()

    @property
    def asleep(self) -> bool:
        """Whether everything that was due is done and told."""
        rests = self._until is not None and self._until > self._clock.now()
        return rests and not self._working and not self._woken.is_set()

    async def run(self) -> None:
        """Until cancelled, which ends all work too; raises StorageError."""
        try:
            while True:
                self._woken.clear()
                self._collect()
                now = self._clock.now()
                if self._clock.synchronised():
                    self._begin(now)
                    await self._tell_held(now)
                await self._plan(now)
                await self._rest(self._wake_at(now))
        finally:
            for task in self._working.values():
                task.cancel()

    def _wake_at(self, now: datetime) -> datetime | None:
        """When something is due, or what was found can be told."""
        if self._due and not self._clock.synchronised():
            return now + UNSET_CLOCK
        end = self._quiet_until(now) if self._due else None
        return min((*self._due.values(), *([end] if end else [])), default=None)

    def _collect(self) -> None:
        """Let go of the work that has ended; raises the StorageError that it met."""
        for name in [name for name, task in self._working.items() if task.done()]:
            task = self._working.pop(name)
            if not task.cancelled():
                task.result()

    def _begin(self, now: datetime) -> None:
        """Start the work that is due; where the former still goes on, that round is left out."""
        for name, due in self._due.items():
            if due <= now and name not in self._working:
                task = asyncio.create_task(self._go(name), name=f"regular {name}")
                task.add_done_callback(lambda _: self._woken.set())
                self._working[name] = task

    async def _plan(self, now: datetime) -> None:
        """When each is due next; one that is off or gone, and what it found, is forgotten."""
        every = {
            name: max(SHORTEST, seconds)
            for name, command in self._registry.commands.items()
            if (seconds := _every(command)) is not None
        }
        for name in self._due.keys() - every.keys():
            del self._due[name]
            self._names.pop(name, None)
        for name, seconds in every.items():
            due = self._due.get(name, now)
            if not now < due <= now + timedelta(seconds=seconds):
                self._due[name] = _next(now, seconds)
        await self._forget_others({self._registry.commands[name].module for name in every})

    async def _go(self, name: str) -> None:
        """Do the work of one command once; whatever breaks in it, the others go on."""
        command = self._registry.commands.get(name)
        if command is None or command.spec.regular is None:
            return
        limit = self._alerts.config.time_limit(name, command.spec.timeout)
        try:
            async with asyncio.timeout(limit):
                with self._workshop.watching(name, command.file):
                    returned = await command.spec.regular.work(self._call(command))
            found = [finding(each) for each in returned]
            names = {f"{command.module}.{each.name}": each for each in found}
            if name in self._due and self._module(name) == command.module:
                await self._note(command, names)
        except StorageError:
            raise
        except BaseException as error:
            if is_cancelled(error):
                raise
            log.exception("regular-failed", command=name)

    def _module(self, name: str) -> str | None:
        """The module of a command now: it may have been taken away while the work went on."""
        command = self._registry.commands.get(name)
        return None if command is None else command.module

    def _call(self, command: Command) -> Call:
        """A call that nobody asked for: it has a store and locks, and nobody to answer."""
        store = JournalStore(self._workshop.db, command.module, self._clock)
        means = CallMeans(self._workshop, store, "", command.name, "", None)
        settings, house = command.settings, self._house
        return Call(command.name, settings=settings, house=house, means=means)

    async def _note(self, command: Command, found: Mapping[str, Finding]) -> None:
        """State and message in one transaction: told once, also after a crash."""
        module, now = command.module, self._clock.now()
        at, quiet = now.timestamp(), self._quiet_until(now) is not None
        names = {name: each for name, each in found.items() if name not in self._told}
        self._names[command.name] = names.keys()
        here = self._here(module)

        def write(conn: sqlite3.Connection) -> list[str]:
            self._drop(conn, here)
            held, told = values.everything(conn, HELD), []
            for name, each in names.items():
                if each.well is None:
                    continue
                condition = Condition(name, each.well, each.text.removesuffix("."), at)
                news, text = conditions.note(conn, condition), each.text.strip()
                if name in held:  # what is news now is as the owners know it
                    values.put(conn, HELD, name, None if news else text or held[name], at)
                elif news and text and quiet:
                    values.put(conn, HELD, name, text, at)
                elif news and text:
                    told.append(text)
            self._tell(conn, told, at)
            return told

        for text in await self._workshop.db.write(write):
            log.info("found", module=module, told=text)
        self._alerts.wake()

    def _tell(self, conn: sqlite3.Connection, texts: Collection[str], at: float) -> None:
        if texts:
            self._alerts.queue(conn, Reply(" ".join(texts)), at)

    async def _tell_held(self, now: datetime) -> None:
        """Tell what was found in quiet hours, once they are over."""
        db, at = self._workshop.db, now.timestamp()
        if self._quiet_until(now) or not await db.read(lambda c: values.everything(c, HELD)):
            return

        def write(conn: sqlite3.Connection) -> list[str]:
            held = values.everything(conn, HELD)
            for name in held:
                values.put(conn, HELD, name, None, at)
            self._tell(conn, held.values(), at)
            return [*held.values()]

        for text in await db.write(write):
            log.info("found", told=text)
        self._alerts.wake()

    def _here(self, module: str) -> Mapping[str, Collection[str]]:
        """The names that a module has now; none at all before each of its commands has looked."""
        its = [
            name
            for name, command in self._registry.commands.items()
            if command.module == module and name in self._due
        ]
        if not self._names.keys() >= set(its):
            return {}
        return {module: {part.removeprefix(f"{module}.") for n in its for part in self._names[n]}}

    def _drop(self, conn: sqlite3.Connection, here: Mapping[str, Collection[str]]) -> None:
        """Forget what is no more, and what was still to be told of it."""
        for name in self._gone(conditions.listing(conn), here):
            conditions.forget(conn, name)
            values.put(conn, HELD, name, None, 0.0)

    def _gone(self, noted: list[Condition], here: Mapping[str, Collection[str]]) -> list[str]:
        """The parts of the modules `here` that are not among their names.

        A module's name may hold dots too: a part belongs to the module with the longest that fits.
        """
        modules = {*here, *(each.module for each in self._registry.commands.values())}
        gone = []
        for name, *_ in noted:
            owner = max((m for m in modules if name.startswith(f"{m}.")), key=len, default="")
            if owner in here and name.removeprefix(f"{owner}.") not in here[owner]:
                gone.append(name)
        return gone

    async def _forget_others(self, modules: Collection[str]) -> None:
        """Drop what was found by modules that do no rounds any more, in an earlier life too.

        A broken one is not gone: once it is mended, what it had found would be told again.
        """
        db, at = self._workshop.db, self._clock.now().timestamp()
        known = set(await db.read(lambda conn: values.get(conn, OWN, MODULES)) or [])
        here = {*modules, *(known & self._registry.faulty)}
        if known != here:

            def forget(conn: sqlite3.Connection) -> None:
                self._drop(conn, dict.fromkeys(known - here - PARTS, ()))
                values.put(conn, OWN, MODULES, sorted(here), at)

            await db.write(forget)

    async def _rest(self, until: datetime | None) -> None:
        self._until = until or datetime.max.replace(tzinfo=UTC)
        try:
            await rest(self._clock, until, self._woken)
        finally:
            self._until = None


def _every(command: Command) -> float | None:
    """Seconds between two rounds of a command; None for one without, or whose rule is at fault."""
    if command.spec.regular is None:
        return None
    try:
        seconds = command.spec.regular.every(command.settings)
        if seconds is None:
            return None
        if not 0 <= (seconds := float(seconds)) <= LONGEST:
            raise ValueError(f"every {seconds:g} seconds is no interval of at most a year")
        return seconds
    except BaseException:  # sys.exit in a rule must not end the daemon
        log.exception("regular-failed", command=command.name)
        return None


def _next(now: datetime, seconds: float) -> datetime:
    """The next multiple of an interval since 1970."""
    return datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, UTC)
