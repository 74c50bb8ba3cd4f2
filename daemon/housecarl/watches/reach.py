"""Watches on machines: does one answer to ping, or take connections on a port."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from housecarl import addresses
from housecarl.config_watches import HostWatch
from housecarl.watches.source import Notice
from housecarl.watches.state import Finding, Rule

#: Seconds that a look-up in DNS, a connection, and the answer to one packet may take.
LOOKUP_SECONDS, CONNECT_SECONDS, PING_SECONDS = 5.0, 5.0, 2.0

#: Packets of one look, and the seconds between them; one answer is enough.
PACKETS, INTERVAL_SECONDS = 3, 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """One machine by the name that people call it."""

    name: str
    address: str
    watch: HostWatch

    @property
    def names(self) -> frozenset[str]:
        """The one finding."""
        return frozenset({f"host.{self.name}"})

    def next(self, now: datetime) -> datetime | None:
        """As often as is wanted."""
        return now + timedelta(seconds=self.watch.every)

    async def look(self, now: datetime) -> Sequence[Finding | Notice]:
        """Ask it once."""
        rule = Rule(self.watch.after, self.watch.urgent)
        wrong = await self._wrong()
        return [Finding(f"host.{self.name}", self.name, wrong is None, wrong or "", rule)]

    async def _wrong(self) -> str | None:
        """What is wrong with it, None when it answers."""
        try:
            found = await addresses.of(self.address, LOOKUP_SECONDS)
        except TimeoutError:
            return "DNS gives no answer"
        if not found:
            return "no such name in DNS"
        port = self.watch.port
        return await (ping(found[0]) if port is None else connect(found, port))


async def connect(addresses: Sequence[str], port: int) -> str | None:
    """What is wrong with a TCP port, None when it takes connections at one of the addresses.

    All are asked at once: one that swallows what is sent there would leave the others no time.
    """
    said = await asyncio.gather(*(_connect(address, port) for address in addresses))
    return None if None in said else said[-1]


async def _connect(address: str, port: int) -> str | None:
    """The same of one address."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return f"no answer on port {port}"
    except ConnectionRefusedError:
        return f"port {port} is closed"
    except OSError as error:  # asyncio's own text repeats the address
        return f"port {port}: {os.strerror(error.errno or errno.EHOSTUNREACH).lower()}"
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return None


async def ping(address: str) -> str | None:
    """What is wrong with a machine, None when it answers: without privilege first, then raw."""
    from icmplib import ICMPLibError, SocketPermissionError, async_ping  # the first ping pays

    for privileged in (False, True):
        try:
            answer = await async_ping(
                address.partition("%")[0],
                PACKETS,
                INTERVAL_SECONDS,  # pyright: ignore[reportArgumentType] - fractions are taken
                timeout=PING_SECONDS,  # pyright: ignore[reportArgumentType]
                privileged=privileged,
            )
        except SocketPermissionError:
            continue
        except ICMPLibError:
            return "no way there from this house"
        return None if answer.is_alive else "no answer"
    return "ping is not allowed on this machine"
