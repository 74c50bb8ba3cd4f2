"""Housecarl beside what one would use instead, in one run: `python -m benchmarks.compare`.

The same work for each, on loopback: `!uptime` comes in by SMTP, the answer leaves by SMTP. A peer
that is not installed is named and skipped; nothing is installed. Prints a table with ratios, then
the rate over a backlog and the latency of a forwarded Google Voice text (DKIM, DNS answered here).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
import psutil
from benchmarks import chain, line

from housecarl.message.stamp import Stamp
from housecarl.spool import make_name
from housecarl.testing.carrier import Carrier

#: Seconds a reply may take before the peer counts as stuck.
PATIENCE = 60.0
#: Messages before anything counts: connections open, templates compiled, caches warm.
WARM = 20


@dataclass(frozen=True)
class Figures:
    """One system: seconds, MiB, ms, messages a second, seconds of CPU; None: not measured."""

    name: str
    start: float
    idle: float
    p50: float | None
    p99: float | None
    rate: float
    cpu: float
    loaded: float


def tree(process: psutil.Process) -> list[psutil.Process]:
    """A process and what it started."""
    return [process, *process.children(recursive=True)]


def memory(process: psutil.Process) -> float:
    """MiB held by a process and what it started."""
    return sum(line.rss(each) for each in tree(process))


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU of a process and what it started, also of what has ended."""
    times = [each.cpu_times() for each in tree(process)]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


@asynccontextmanager
async def in_folder(name: str, sink: int) -> AsyncIterator[tuple[int, psutil.Process, float]]:
    """One of the systems in a folder of its own: its port, its process, the seconds to 220."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    if name == "housecarl":
        async with line.housecarl(folder, sink) as running:
            yield running
    elif name == "OpenSMTPD + Python script":
        async with chain.chain(folder, sink) as running:
            yield running
    else:
        async with line.bare_aiosmtpd() as running:
            yield running


async def started(name: str, sink: int) -> float:
    """Seconds from nothing to 220, median of 5."""
    taken = []
    for _ in range(5):
        async with in_folder(name, sink) as (_, _, seconds):
            taken.append(seconds)
    return statistics.median(taken)


async def measure(name: str, sink: int, count: int) -> Figures:
    """All figures of one system; bare aiosmtpd answers nothing, so its rate is of its 250s."""
    answers, user = name != "bare aiosmtpd, discards", "ann" if name == "housecarl" else ""
    start = await started(name, sink)
    async with in_folder(name, sink) as (port, process, _):
        await asyncio.sleep(1)
        idle = memory(process)
        taken: list[float] = []
        if answers:
            taken = sorted(await line.latency(port, user, max(100, count // 10)))
        rate, used = await line.throughput(port, user, count, 10, answers, partial(cpu, process))
        return Figures(
            name,
            start,
            idle,
            statistics.median(taken) if taken else None,
            taken[int(len(taken) * 0.99)] if taken else None,
            rate,
            used,
            memory(process),
        )


class Names(asyncio.DatagramProtocol):
    """A name server that knows the carrier's key and nothing else."""

    def __init__(self, records: dict[str, dict[str, list[str]]]) -> None:
        self._records = records

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        asked = query.question[0]
        name, kind = asked.name.to_text().rstrip("."), dns.rdatatype.to_text(asked.rdtype)
        for text in self._records.get(name, {}).get(kind, []):
            record = dns.rrset.from_text(asked.name, 300, "IN", kind, f'"{text}"')
            response.answer.append(record)
        self._transport.sendto(response.to_wire(), addr)  # type: ignore[attr-defined]


async def voice(sink: int, count: int) -> tuple[float, float]:
    """Final dot to reply of a Google Voice text, p50 and p99 in ms."""
    loop = asyncio.get_running_loop()
    carrier = Carrier(account="house@home.example")  # answers must come from the account itself
    names, _ = await loop.create_datagram_endpoint(
        lambda: Names(carrier.dns), local_addr=("127.0.0.1", 0)
    )
    resolver = f"127.0.0.1:{names.get_extra_info('sockname')[1]}"
    more = (
        f"trust: {{google_voice: {{account: {carrier.account}, number: '{carrier.number}', "
        "without_arc: true}, "
        f"resolver: ['{resolver}']}}\n"
    )
    taken = []
    try:
        async with line.housecarl(Path(tempfile.mkdtemp()), sink, more) as (port, _, _):
            client = line.Client(port)
            await client.connect()
            for _ in range(WARM + count):
                line.drain()
                mail = carrier.text(line.PHONE, "!uptime")
                dot = await client.hand_in(carrier.envelope(line.TO), mail)
                at, _ = await asyncio.wait_for(line.Sink.arrived.get(), PATIENCE)
                taken.append((at - dot) * 1000)
    finally:
        names.close()
    taken = sorted(taken[WARM:])
    return statistics.median(taken), taken[int(len(taken) * 0.99)]


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


async def backlog(sink: int, count: int) -> tuple[float, float, float]:
    """Replies a second over `count` waiting messages: all, the first tenth, the last tenth."""
    line.drain()
    folder = Path(tempfile.mkdtemp())
    new = folder / "spool" / "new"
    new.mkdir(parents=True)
    for name, data in stored(count):
        (new / name).write_bytes(data)
    async with line.housecarl(folder, sink):
        times = []
        for _ in range(count):
            at, _ = await asyncio.wait_for(line.Sink.arrived.get(), PATIENCE)
            times.append(at)
    tenth = count // 10
    first, last = times[tenth] - times[0], times[-1] - times[-tenth - 1]
    return count / (times[-1] - times[0]), tenth / first, tenth / last


@contextmanager
def titled(columns: list[str]) -> Iterator[None]:
    """The head of the table, in Markdown."""
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    yield
    print()


def row(each: Figures, ours: Figures) -> str:
    """One line of the table; what is in brackets is the peer by housecarl."""
    lag = "-"
    if each.p50 is not None and ours.p50 is not None:
        lag = f"{each.p50:.1f} / {each.p99:.1f} ({each.p50 / ours.p50:.1f})"
    cells = [
        each.name,
        lag,
        f"{each.rate:.0f} ({each.rate / ours.rate:.2f})",
        f"{each.cpu:.2f} ({each.cpu / ours.cpu:.1f})",
        f"{each.idle:.0f} / {each.loaded:.0f}",
        f"{each.start:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


async def main(count: int, waiting: int) -> None:
    """Measure what is here and print it."""
    line.Sink.arrived = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(line.Sink, "127.0.0.1", 0)
    sink = server.sockets[0].getsockname()[1]
    ours = await measure("housecarl", sink, count)
    columns = ["system", "p50 / p99, ms", "messages a second", "CPU s for 1,000"]
    with titled([*columns, "MiB idle / loaded", "start, s"]):
        print(row(ours, ours))
        print(row(await measure("bare aiosmtpd, discards", sink, count), ours))
        if why := chain.missing():
            print(f"| OpenSMTPD + Python script | skipped: {why} |  |  |  |  |")
        else:
            print(
                row(await measure("OpenSMTPD + Python script", sink, max(100, count // 10)), ours)
            )
    if shutil.which("postfix") is None:
        print("Postfix + pipe: skipped, it is not installed.")
    p50, p99 = await voice(sink, max(100, count // 10))
    print(f"Google Voice text, DKIM verified: p50 / p99 {p50:.1f} / {p99:.1f} ms.")
    if waiting:
        rate, first, last = await backlog(sink, waiting)
        print(
            f"Backlog of {waiting:,}: {rate:.0f} a second; {first:.0f} in the first tenth, "
            f"{last:.0f} in the last ({last / first:.2f})."
        )
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="messages for the rates")
    parser.add_argument("--backlog", type=int, default=20_000, help="waiting messages; 0: none")
    options = parser.parse_args()
    # Everything is removed at the end: ext4 makes new files slowly for seconds after many were
    # removed. OpenSMTPD ends before the scripts it started, which may still write.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as everything:
        Path(everything).chmod(0o755)
        tempfile.tempdir = everything
        asyncio.run(main(options.count, options.backlog))
