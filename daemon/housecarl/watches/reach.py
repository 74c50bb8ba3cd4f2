"""Watches on machines: does one answer to ping, or take connections on a port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

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
        port = self.watch.port
        wrong = await (ping(self.address) if port is None else connect(self.address, port))
        return [Finding(f"host.{self.name}", self.name, wrong is None, wrong or "", rule)]


async def connect(address: str, port: int) -> str | None:
    """What is wrong with a TCP port, None when it takes connections."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address, port)
    except TimeoutError:
        return f"no answer on port {port}"
    except ConnectionRefusedError:
        return f"port {port} is closed"
    except socket.gaierror:
        return "no such name in DNS"
    except OSError as error:
        return f"port {port}: {(error.strerror or 'unreachable').lower()}"
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return None


async def ping(host: str) -> str | None:
    """What is wrong with a machine, None when it answers: without privilege first, then raw."""
    from icmplib import ICMPLibError, SocketPermissionError, async_ping  # the first ping pays

    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return "no such name in DNS"
    address = str(found[0][4][0]).partition("%")[0]
    for privileged in (False, True):
        try:
            answer = await async_ping(
                address,
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
