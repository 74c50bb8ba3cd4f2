"""A whole house for a test: the real daemon on loopback, in a thread, in a folder of its own."""

from __future__ import annotations

import asyncio
import secrets
import smtplib
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import yaml

from housecarl import config_file
from housecarl.clock import Clock
from housecarl.daemon import Daemon
from housecarl.testing.carrier import Carrier
from housecarl.testing.clock import BelievedClock
from housecarl.testing.inbox import Inbox
from housecarl.testing.phone import Phone
from housecarl.trust import Answers

T = TypeVar("T")

#: Seconds the daemon may take to open or close before the test fails.
PATIENCE = 15.0

#: The address that mail for the house is sent to.
ADDRESS = "cmd@home.example"


class TestHouse:
    """The daemon with SMTP and drop doors, its smarthost's inbox, its carrier and its phones.

    `people` as in the configuration; `modules` are its module sections; `more` is merged over the
    whole configuration. The files are under `folder`; nothing outside loopback is touched.
    """

    __test__ = False

    def __init__(
        self,
        folder: Path,
        people: dict[str, Any] | None = None,
        modules: dict[str, Any] | None = None,
        clock: Clock | None = None,
        **more: Any,
    ) -> None:
        self.folder = folder
        self.carrier = Carrier()
        self.inbox = Inbox()
        self.clock = clock or BelievedClock()
        self.people = people or {"ann": {"phones": ["+13035550123"], "may": ["*"]}}
        self._modules = modules or {}
        self._more = more
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="house", daemon=True)
        self.address = ADDRESS
        self._port = free_port()
        self.daemon: Daemon | None = None
        self._running: asyncio.Task[None] | None = None

    def __enter__(self) -> TestHouse:
        self._thread.start()
        self.do(self.inbox.start())
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._end()

    def start(self) -> None:
        """Write the configuration and open the house; may be called again after `stop`."""
        path = self.folder / "housecarl.yaml"
        path.write_text(yaml.safe_dump(self.config(), sort_keys=False))
        self.do(self._open(path))

    def stop(self) -> None:
        """Stop the daemon as SIGTERM does; one that is stopped stays so."""
        daemon, self.daemon = self.daemon, None
        if daemon is not None:
            self.do(self._close(daemon))

    def do(self, work: Coroutine[Any, Any, T], seconds: float = PATIENCE) -> T:
        """Run a coroutine in the house's loop and wait for it; TimeoutError after some seconds."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    @property
    def spool(self) -> Path:
        """The spool's folder."""
        return self.folder / "spool"

    @property
    def smtp(self) -> tuple[str, int]:
        """Where the SMTP door is."""
        assert self.daemon is not None and self.daemon.smtp is not None
        return self.daemon.smtp.address

    def phone(self, person: str = "ann") -> Phone:
        """The phone of a person: their first number."""
        return Phone(self, self.people[person]["phones"][0].replace(" ", ""))

    def drop(self, text: str, name: str = "note.txt") -> None:
        """Put a file into the spool as this login."""
        part = self.spool / f"{name}.part"
        part.write_text(text)
        part.rename(self.spool / name)

    def send(self, raw: bytes, mail_from: str = "bounce@example.org", to: str = ADDRESS) -> None:
        """Hand a mail in at the SMTP door, as a mail server of the world does."""
        host, port = self.smtp
        with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
            client.sendmail(mail_from, [to], raw)

    def settle(self, seconds: float = PATIENCE) -> None:
        """Wait until no message is in new/ or work/ and every file is in its last folder."""
        assert self.daemon is not None and self.daemon.house is not None
        self.do(self.daemon.house.settle(), seconds)

    def until(self, so: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until something that the house does by itself is so; TimeoutError when it is not."""

        async def wait() -> None:
            async with asyncio.timeout(seconds):
                while not so():  # noqa: ASYNC110 - what is waited for has no event
                    await asyncio.sleep(0.005)

        self.do(wait(), seconds + 1)  # it ends by itself, unless the loop is blocked

    def log(self) -> list[str]:
        """The journal, one line a message, oldest first."""
        from housecarl.journal import receipts

        assert self.daemon is not None and self.daemon.house is not None
        found = self.do(self.daemon.house.db.read(lambda c: receipts.listing(c, limit=1000)))
        return [
            f"{each.id[:4]} {each.person or 'stranger'} "
            f"{' + '.join(' '.join(call) for call in each.calls) or '-'}: "
            f"{each.reason or each.state}"
            for each in reversed(found)
        ]

    def config(self) -> dict[str, Any]:
        """The configuration as it is written."""
        whole: dict[str, Any] = {
            "house": "Elm Street",
            "timezone": "UTC",
            "spool": "spool",
            "people": self.people,
            "doors": {
                "smtp": {"listen": f"127.0.0.1:{self._port}", "recipients": [ADDRESS]},
                "drop": {},
            },
            "trust": {
                "google_voice": {
                    "account": self.carrier.account,
                    "number": self.carrier.number,
                    "without_arc": True,
                }
            },
            "post": {
                "host": "127.0.0.1",
                "port": self.inbox.port,
                "tls": "none",
                "from": self.carrier.account,
            },
            # a test texts more in a second than a person in an hour
            "limits": {"calls_per_hour": 0, "texts_per_hour": 0, "texts_per_day": 0},
            "modules": self._modules,
        }
        return _merged(whole, self._more)

    async def _open(self, path: Path) -> None:
        answers = Answers(self.carrier.dns)
        self.daemon = Daemon(config_file.load(path), self.clock, answers)
        self._running = asyncio.create_task(self.daemon.run())
        ready = asyncio.create_task(self.daemon.ready.wait())
        await asyncio.wait((self._running, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            self._running.result()

    async def _close(self, daemon: Daemon) -> None:
        assert self._running is not None  # with the daemon there is its task
        daemon.stop()
        await self._running

    def _end(self) -> None:
        self.do(self.inbox.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now.

    It is below those that the kernel gives to clients (from 32768 on): one of these could be taken
    by any connection before the server that is to have it has started.
    """
    while True:
        port = secrets.randbelow(20_000) + 12_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`other` over `one`, mapping by mapping."""
    merged = dict(one)
    for key, value in other.items():
        known = merged.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            value = _merged(known, value)
        merged[key] = value
    return merged
