"""What tests of the mailbox door share: mail to find, a ledger of what was stored, a door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any

from housecarl.clock import SystemClock
from housecarl.config_doors import Imap
from housecarl.doors.imap import ImapDoor
from housecarl.doors.imap_patience import Patience
from housecarl.message.stamp import Stamp

ANN = "ann@example.org"

#: Tests wait for minutes of nobody.
QUICK = Patience(
    connect=5,
    read=5,
    first=0.02,
    last=0.1,
    refused=0.3,
    refused_last=0.6,
    again=0.1,
    look=0.05,
    brief=0.1,
)

#: Seconds until a test gives up on what it waits for.
PATIENCE = 10.0


def letter(n: int | str, sender: str = ANN, body: str = "!ping", subject: str = "") -> bytes:
    """A mail whose Message-ID says `n`."""
    return (
        f"From: {sender}\r\nTo: house@example.org\r\nSubject: {subject or n}\r\n"
        f"Message-ID: <{n}@example.org>\r\n"
        f"Date: {format_datetime(SystemClock().now())}\r\n\r\n{body}\r\n"
    ).encode()


@dataclass
class Ledger:
    """What the door stored, in order.

    While they are set, `fail` is raised in place of storing, `unread` and `unkept` in place of
    reading and of writing what is remembered, `untold` in place of telling.
    """

    stored: list[tuple[bytes, Stamp]] = field(default_factory=list)
    said: list[tuple[bool, str]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    fail: Exception | None = None
    unread: Exception | None = None
    unkept: Exception | None = None
    untold: Exception | None = None
    tries: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def deliver(self, raw: bytes, stamp: Stamp) -> str:
        self.tries += 1
        self.changed.set()
        if self.fail is not None:
            raise self.fail
        self.stored.append((raw, stamp))
        return "name"

    async def tell(self, name: str, ok: bool, text: str) -> None:
        assert name == "imap"
        if self.untold is not None:
            raise self.untold
        self.said.append((ok, text))
        self.changed.set()

    async def get(self, key: str) -> Any:
        if self.unread is not None:
            raise self.unread
        return self.values.get(key)

    async def put(self, key: str, value: Any) -> None:
        if self.unkept is not None:
            raise self.unkept
        self.values[key] = value
        self.changed.set()

    @property
    def ids(self) -> list[str]:
        """The `n` of what was stored, in order."""
        return [
            raw.partition(b"Message-ID: <")[2].partition(b"@")[0].decode() for raw, _ in self.stored
        ]

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait until `what` holds."""
        async with asyncio.timeout(PATIENCE):
            while not what():
                self.changed.clear()
                if what():
                    return
                await self.changed.wait()

    async def ready(self) -> None:
        """Wait until the last word was that all is well."""
        await self.until(lambda: bool(self.said) and self.said[-1][0])

    async def holds(self, *ids: object) -> None:
        """Wait until just these were stored, in this order."""
        wanted = [str(each) for each in ids]
        await self.until(lambda: len(self.ids) >= len(wanted))
        assert self.ids == wanted


def settings(port: int, user: str, **more: Any) -> Imap:
    """A mailbox on loopback without TLS."""
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "user": user,
        "password": {"env": "HOUSECARL_TEST_IMAP"},
    }
    return Imap.model_validate(given | more)


@asynccontextmanager
async def watching(
    ledger: Ledger,
    given: Imap,
    patience: Patience = QUICK,
    addresses: Sequence[str] = (ANN,),
    **more: Any,
) -> AsyncIterator[ImapDoor]:
    """A door on that mailbox, stopped in the end."""
    door = ImapDoor(
        given,
        addresses,
        ledger.deliver,
        SystemClock(),
        ledger.tell,
        ledger,
        patience._replace(**more),
    )
    await door.start()
    try:
        yield door
    finally:
        await door.stop()
