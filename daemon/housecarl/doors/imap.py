"""The mailbox door: watches a folder by IMAP and hands what concerns the house to the spool."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from housecarl.clock import Clock
from housecarl.config_doors import Imap
from housecarl.doors.door import Deliver, Tell
from housecarl.doors.imap_bridge import Bridge, Memory, Stopped
from housecarl.doors.imap_patience import Patience

if TYPE_CHECKING:
    from housecarl.doors.imap_session import Session

#: Seconds that the thread has to end; it hangs only where there is no connection to cut yet, in a
#: name look-up or a call that nobody takes, and ends after that.
STOP_SECONDS = 1.8

log = structlog.get_logger()


class ImapDoor:
    """Runs blocking sessions in one thread; `addresses` are the people's, as the config has them.

    `tell` gets ("imap", whether all is well, one line for the operator) when that changes. A lost
    connection that the next try finds again is no news.
    """

    def __init__(
        self,
        settings: Imap,
        addresses: Iterable[str],
        deliver: Deliver,
        clock: Clock,
        tell: Tell,
        memory: Memory,
        patience: Patience | None = None,
    ) -> None:
        self._settings = settings
        self._addresses = frozenset(addresses)
        self._deliver = deliver
        self._clock = clock
        self._tell = tell
        self._memory = memory
        self._patience = patience or Patience()
        self._bridge: Bridge | None = None
        self._session: Session | None = None
        self._thread: threading.Thread | None = None
        self._is_well: bool | None = None
        self._text = ""
        self._cuts = self._refusals = 0

    async def start(self) -> None:
        """Begin to watch; returns at once, `tell` says when the mailbox is reached."""
        loop = asyncio.get_running_loop()
        self._bridge = Bridge(loop, self._deliver, self._memory, self._clock)
        # daemon: a name look-up that hangs must not keep the process from ending
        self._thread = threading.Thread(target=self._run, name="imap door", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Cut the connection and wait for the thread; a message being stored is stored."""
        if self._bridge is None or self._thread is None:
            return
        self._bridge.stopping.set()
        if self._session is not None:
            self._session.opening.cut()
        await asyncio.to_thread(self._thread.join, STOP_SECONDS)
        if self._thread.is_alive():
            log.warning("imap-stopped-late")

    def _run(self) -> None:
        """Session after session until the door stops."""
        bridge = self._bridge
        assert bridge is not None
        with suppress(Stopped):
            while not bridge.stopping.is_set():
                bridge.stopping.wait(self._once_whatever())

    def _once_whatever(self) -> float:
        """One session, even one that we broke ourselves; the seconds to wait. Raises Stopped."""
        try:
            return self._once()
        except Stopped:
            raise
        except Exception as error:
            log.exception("imap-fault")
            kind = type(error).__name__
            self._say(False, f"{self._settings.host}: the door broke ({kind}): see the log")
            self._cuts += 1
            return self._patience.after_cut(self._cuts)

    def _once(self) -> float:
        """One session; the seconds to wait before the next. Raises Stopped."""
        # imapclient is not loaded before there is a mailbox: a start is faster without it
        from housecarl.doors.imap_concern import Concern
        from housecarl.doors.imap_line import Refused, faults
        from housecarl.doors.imap_session import Session
        from housecarl.doors.imap_socket import Cut

        assert self._bridge is not None
        concern = Concern(self._addresses, self._settings.rules)
        left = self._session.left if self._session is not None else ""
        session = Session(self._settings, concern, self._bridge, self._patience, self._well, left)
        self._session = session
        began = time.monotonic()
        try:
            faults(session.run)
        except Refused as error:
            self._say(False, f"{self._settings.host}: {error}")
            self._refusals += 1
            return self._patience.after_refusal(self._refusals)
        except Cut as error:
            why = str(error)
        if self._bridge.stopping.is_set():
            raise Stopped
        if session.is_ready:
            self._refusals = 0
            if time.monotonic() - began >= self._patience.steady:
                self._cuts = 0
        self._stumble(why, was_ready=session.is_ready)
        self._cuts += 1
        return self._patience.after_cut(self._cuts)

    def _stumble(self, why: str, *, was_ready: bool) -> None:
        """A connection ended: that is what servers do; news is that the next try fails too."""
        if was_ready:
            log.info("imap-again", host=self._settings.host, why=why)
        else:
            self._say(False, f"{self._settings.host}: {why}")

    def _well(self, text: str) -> bool:
        return self._say(True, text)

    def _say(self, ok: bool, text: str) -> bool:
        """Say once that the mailbox is out of reach, and once that it is watched again.

        False: it could not be told, and has to be said again.
        """
        if ok == self._is_well and (not ok or text == self._text):
            return True
        assert self._bridge is not None
        if not self._bridge.ask(self._spoken(ok, text)):
            return False
        self._is_well, self._text = ok, text
        return True

    async def _spoken(self, ok: bool, text: str) -> bool:
        try:
            await self._tell("imap", ok, text)
        except Exception as error:  # noqa: BLE001 - no fault of the journal's ends the door
            log.warning("imap-not-told", text=text, fault=type(error).__name__, why=str(error))
            return False
        return True
