"""The daemon: doors in front of a house, its signals, its restarts, its stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import structlog

from housecarl.clock import Clock
from housecarl.config_file import Loaded
from housecarl.doors.door import Door
from housecarl.doors.smtp import SmtpDoor
from housecarl.doors.smtp_login import accounts_of
from housecarl.doors.smtp_settings import SmtpSettings
from housecarl.errors import ConfigError, SpoolGone, StorageError, Unreachable
from housecarl.house import House
from housecarl.journal import JOURNAL, WAKE
from housecarl.lock import Lock
from housecarl.memory import Memory
from housecarl.message.stamp import Stamp
from housecarl.module_watch import follow
from housecarl.notify import listening, notify
from housecarl.post import Taken
from housecarl.pulse import Pulse
from housecarl.reload import lock_of, read_again
from housecarl.storage_outage import StorageOutage
from housecarl.trust import Resolver
from housecarl.watch import Watch

log = structlog.get_logger()

#: Seconds to wait after a storage fault before the next try; the last one repeats.
BACK_OFF = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

#: Seconds of storage faults after which the daemon gives up with exit code 75 (10 min).
GIVE_UP_SECONDS = 600.0


class Daemon:
    """Serves one configuration file until it is told to stop."""

    def __init__(self, loaded: Loaded, clock: Clock, resolver: Resolver | None = None) -> None:
        self.loaded = loaded
        self.clock = clock
        self._resolver = resolver
        #: what a reload has replaced, with its lock, until the new configuration is served
        self._former: tuple[Loaded, Lock] | None = None
        self._served = False
        self._outage = StorageOutage()
        self._pulse = Pulse(lambda: self.house)
        self._taken: set[Taken] = set()
        self._refused = ""
        self.house: House | None = None
        self.smtp: SmtpDoor | None = None
        self._doors: list[Door] = []
        self._news: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._lock: Lock
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Serve until `stop`; raises ConfigError, JournalError, Unreachable, StorageError."""
        self._lock = await asyncio.to_thread(Lock, self.loaded.config.spool / JOURNAL.parent)
        # all life long: a reload may wait for a flash longer than the watchdog does
        pulse = asyncio.create_task(self._pulse.run(), name="watchdog")
        try:
            while not self._stop.is_set():
                await self._serve_or_fall_back()
        finally:
            pulse.cancel()
            self._forget_former()  # a stop may come before the new one is served
            self._lock.release()
            notify("STOPPING=1\nSTATUS=")

    async def _serve_or_fall_back(self) -> None:
        """Serve; a new configuration that cannot be served is named and the old one taken again."""
        try:
            await self._serve()
        except (ConfigError, Unreachable, StorageError) as error:
            if self._former is None:
                raise
            self._refuse(error)
            refused = self._lock
            (self.loaded, self._lock), self._former = self._former, None
            if refused is not self._lock:
                refused.release()

    def stop(self) -> None:
        """End after what is in hand."""
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration again."""
        self._reload.set()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT stop, SIGHUP reloads."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stop)
        loop.add_signal_handler(signal.SIGINT, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    async def deliver(self, raw: bytes, stamp: Stamp) -> str:
        """What every door does with a message; StorageError while the house is being reopened."""
        return await self._opened().deliver(raw, stamp)

    async def tell(self, name: str, ok: bool, text: str) -> None:
        """Note how a door is; StorageError as above, and the door has to tell it again."""
        await self._opened().tell(f"door.{name}", ok, text)

    def _opened(self) -> House:
        if self.house is None:
            raise StorageError("the house is being reopened")
        return self.house

    async def _serve(self) -> None:
        """One configuration: open the house, open the doors, close both again."""
        try:
            await self._open_house(again=self._served and self._former is None)  # served before
        except StorageError as error:
            if not self._served or self._former is not None and self._former[1] is not self._lock:
                raise
            await self._reopen(error)  # what served before will again, once its disk does
        if self._stop.is_set() or self.house is None:
            return await self._close_house()  # no door is opened for a moment
        watch = Watch()
        try:
            await watch.start()
            await self._open_doors(watch)
            await self._tell_config()
            self._forget_former()
            notify("READY=1\nSTATUS=serving")
            self.ready.set()
            log.info("ready", house=self.loaded.config.house, doors=len(self._doors))
            await self._live()
        finally:
            notify("STOPPING=1" if self._stop.is_set() else "RELOADING=1")
            for door in self._doors:
                await door.stop()
            self._doors.clear()
            await watch.stop()
            await self._close_house()

    def _forget_former(self) -> None:
        """The former one is no more: another may only be what this one is exchanged for."""
        if self._former is not None and self._former[1] is not self._lock:
            self._former[1].release()
        self._former, self._served = None, True

    async def _open_house(self, *, again: bool) -> None:
        house = House(self.loaded, self.clock, self._resolver)
        if house.post is not None:
            house.post.taken = self._taken
        try:
            await asyncio.to_thread(self._lock.see, self.loaded.config.spool / JOURNAL.parent)
            await house.open(self._lock, again=again)
            self.house = house
            await house.refresh()  # whoever was switched off meanwhile
            await asyncio.to_thread(self._lock.say, "")
            self._outage.end()
        except BaseException:
            self.house = None
            await house.close()
            raise

    async def _close_house(self) -> None:
        house, self.house = self.house, None
        for task in (news := list(self._news)):
            task.cancel()
        await asyncio.gather(*news, return_exceptions=True)
        if house is not None:
            await house.close()

    async def _open_doors(self, watch: Watch) -> None:
        """Each door that the configuration names, and the folders that bring news."""
        doors, spool = self.loaded.config.doors, self.loaded.config.spool
        people = self.loaded.config.people
        if doors.smtp is not None:
            settings = SmtpSettings.of(doors.smtp)
            self.smtp = SmtpDoor(settings, self.deliver, accounts_of(people), self.clock)
            given = listening()
            await self.smtp.start(given.get("smtp", ()), given.get("smtps", ()))
            self._doors.append(self.smtp)
        if doors.drop is not None:
            from housecarl.doors.drop import DropDoor

            drop = DropDoor(spool, self.deliver, self.clock, self.tell, watch)
            await drop.start()
            self._doors.append(drop)
        if doors.imap is not None:
            from housecarl.doors.imap import ImapDoor

            addresses = [address for person in people.values() for address in person.addresses]
            memory = Memory(self._opened)
            imap = ImapDoor(doors.imap, addresses, self.deliver, self.clock, self.tell, memory)
            await imap.start()
            self._doors.append(imap)
        wake = spool / JOURNAL.parent / WAKE
        try:
            wake.touch(mode=0o600)
        except OSError as error:
            raise StorageError.of(f"spool {spool}", error) from error
        watch.add(wake, lambda _: self._later(partial(House.refresh, asked=True)))
        # what came before the watch; and who asks for a reload may have mended the smarthost
        self._later(partial(House.refresh, asked=self._former is not None))
        if self.house is not None:
            await follow(watch, self.house.registry, self._later)

    def _later(self, what: Callable[[House], Awaitable[None]]) -> None:
        """Do something with the house soon; news come in bursts, the house sorts them out."""

        async def do(house: House) -> None:
            with suppress(StorageError):  # the house tells that by itself
                await what(house)

        if self.house is not None:
            task = asyncio.create_task(do(self.house))
            self._news.add(task)
            task.add_done_callback(self._news.discard)

    async def _live(self) -> None:
        """Until a stop or a reload; a storage fault reopens the house behind the open doors."""
        while self.house is not None and not self._stop.is_set():
            trouble = asyncio.create_task(self.house.trouble())
            stop = asyncio.create_task(self._stop.wait())
            reload = asyncio.create_task(self._reload.wait())
            waits = (trouble, stop, reload)
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if trouble in done:
                await self._reopen(trouble.result())
            elif not self._reload.is_set() or await self._read_config():
                return
            await self._tell_config()  # one may have been refused

    async def _reopen(self, error: StorageError) -> None:
        """Drop what is in hand, open again; the doors say 451. No house: a stop, or a reload."""
        lock = self._lock
        self._outage.begin()
        while True:
            log.error("storage-fault", why=str(error))
            self._pulse.gets_on()
            if self.smtp is not None:
                self.smtp.closed = True
            # for `status`: the journal cannot tell that it cannot be written
            await asyncio.to_thread(self._lock.say, str(error))
            await self._close_house()
            if self._outage.seconds > GIVE_UP_SECONDS and not isinstance(error, SpoolGone):
                raise error
            await self._outage.rest(BACK_OFF, self._stop, self._reload)
            read = self._reload.is_set() and await self._read_config()
            if self._stop.is_set() or (read and self._lock is not lock):
                return
            try:
                await self._open_house(again=self._former is None)
                break
            except StorageError as another:
                error = another
        if self._former is not None and self._doors:
            await self._close_house()  # the doors are those of the former configuration
        elif self.smtp is not None:
            self.smtp.closed = False
        log.info("storage-well", seconds=round(self._outage.seconds, 1))

    async def _read_config(self) -> bool:
        """Read the configuration again; a bad one is named and the old one stays."""
        self._reload.clear()  # one that comes from now on is another
        try:
            loaded = await read_again(self.loaded.source.path)
            lock = await lock_of(loaded, self.loaded, self._lock)
        except (ConfigError, Unreachable, StorageError) as error:
            self._refuse(error)
            return False
        self._former, self._refused = self._former or (self.loaded, self._lock), ""
        self.loaded, self._lock = loaded, lock
        return True

    def _refuse(self, error: ConfigError | Unreachable | StorageError) -> None:
        """A new configuration cannot be served: say where it is wrong."""
        log.error("reload-refused", problems=str(error))
        first = error.problems[0] if isinstance(error, ConfigError) else error
        folder = f"{self.loaded.source.path.parent}/"  # a phone need not hear it
        self._refused = str(first).partition("\n")[0].removeprefix(folder)

    async def _tell_config(self) -> None:
        """For `status`: whether the house goes by the newest configuration."""
        text = f"the former configuration goes on, the new one was refused: {self._refused}"
        text = text if self._refused else self.loaded.source.path.name
        with suppress(StorageError):  # the house tells that by itself
            if self.house is not None:
                await self.house.tell("config", not self._refused, text)
