"""The rate over a backlog: a system is started on a queue of messages that wait already."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks import line
from benchmarks.measure import CONNECTIONS
from benchmarks.peers import folder
from benchmarks.postfix import Postfix

from housecarl.message.name import make_name
from housecarl.message.stamp import Stamp

#: Seconds a reply may take before a system counts as stuck.
PATIENCE = 60.0


@dataclass(frozen=True)
class Drained:
    """Replies a second, of all and of the first and the last tenth; `done` of `count` in time."""

    count: int
    done: int
    rate: float
    first: float
    last: float


def stored(count: int) -> Iterator[tuple[str, bytes]]:
    """Messages as the SMTP door leaves them in new/: by a person who logged in."""
    now = datetime.now(UTC)
    for n in range(count):
        arrived = now - timedelta(microseconds=count - n)
        stamp = Stamp(
            "smtp", arrived, peer="127.0.0.1", tls="TLSv1.3", login="ann", rcpt_to=line.TO
        )
        head = (
            f"From: ann@example.org\r\nTo: {line.TO}\r\nSubject: x\r\n"
            f"Message-ID: <backlog.{n}.{time.time_ns()}@example.org>\r\n\r\n"
        )
        yield make_name(arrived), stamp.line() + (head + line.BODY).encode()


async def replies(count: int, longest: float) -> Drained:
    """Take replies until all are here, or for as long as `longest` seconds."""
    times: list[float] = []
    while len(times) < count and (len(times) < 2 or times[-1] - times[0] < longest):
        at, _ = await asyncio.wait_for(line.Sink.arrived.get(), PATIENCE)
        times.append(at)
    tenth = max(1, len(times) // 10)
    first, last = times[tenth] - times[0], times[-1] - times[-tenth - 1]
    rate = (len(times) - 1) / (times[-1] - times[0])
    return Drained(count, len(times), rate, tenth / first, tenth / last)


async def housecarl(sink: int, count: int, longest: float) -> Drained:
    """Housecarl, started on a spool with messages in new/."""
    line.drain()
    place = folder()
    new = place / "spool" / "new"
    new.mkdir(parents=True)
    for name, data in stored(count):
        (new / name).write_bytes(data)
    async with line.housecarl(place, sink):
        return await replies(count, longest)


async def postfix(peer: Postfix, sink: int, count: int, longest: float) -> Drained:
    """Postfix, started on a queue of messages it had been told to hold back."""
    place = folder()
    async with peer.running(place, sink, "defer_transports = run") as (port, _, _):
        await line.throughput(port, "", count, CONNECTIONS, answered=False)
        await asyncio.sleep(3)  # the last are on their way to deferred/
    line.drain()
    async with peer.running(place, sink):
        await peer.flush(place)
        return await replies(count, longest)
