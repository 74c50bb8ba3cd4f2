"""The whole line beside bare aiosmtpd, in one run: `python -m benchmarks.line`.

Starts `housecarl run` with a configuration of its own on loopback, hands in `!uptime` by SMTP AUTH
under TLS, and takes the replies at a sink in this process. Prints one table.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import psutil

PASSWORD = "correct horse battery"
TO = "cmd@home.example"
PHONE = "+13035550123"
BODY = "!uptime\r\n" + "x" * 400 + "\r\n"


class Sink(asyncio.Protocol):
    """A smarthost that says yes to everything; `arrived` gets the time of each final dot.

    What came together it answers together, as Postfix does.
    """

    arrived: asyncio.Queue[tuple[float, bytes]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = bytearray()
        self.in_data = False
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        """Take commands and mails as they come."""
        self.buffer += data
        said = b""
        while answer := self.mail() if self.in_data else self.command():
            said += answer
        if said:
            self.transport.write(said)

    def mail(self) -> bytes:
        """The answer to a mail that is here whole."""
        end = self.buffer.find(b"\r\n.\r\n")
        if end < 0:
            return b""
        mail = bytes(self.buffer[:end])
        del self.buffer[: end + 5]
        self.in_data = False
        self.arrived.put_nowait((time.perf_counter(), mail))
        return b"250 ok\r\n"

    def command(self) -> bytes:
        """The answer to a command that is here whole."""
        end = self.buffer.find(b"\r\n")
        if end < 0:
            return b""
        word = bytes(self.buffer[:4]).upper()
        del self.buffer[: end + 2]
        if word == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if word == b"QUIT":
            self.transport.write(b"221 bye\r\n")
            self.transport.close()
            return b""
        self.in_data = word == b"DATA"
        return b"354 go\r\n" if self.in_data else b"250 ok\r\n"


class Client(asyncio.Protocol):
    """A raw SMTP client: AUTH PLAIN under STARTTLS when there is a user, else plain.

    What is measured shares the machine with it, so it does as little as it can. A mail's envelope
    goes out in one piece where that is offered (PIPELINING, RFC 2920), as real senders do; bare
    aiosmtpd does not offer it; `one_by_one` never does. Each method raises RuntimeError when the
    server says no or closes.
    """

    one_by_one = False

    def __init__(self, port: int, user: str = "") -> None:
        self.port, self.user, self.n = port, user, 0
        self._came = bytearray()
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._pipelining = False

    def data_received(self, data: bytes) -> None:
        """Keep what comes for who waits for it."""
        self._came += data
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let whoever waits know."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def connect(self) -> None:
        """Open the connection, secured and logged in when there is a user."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self.answers(1)
        await self.greet()
        if self.user:
            await self.ask(b"STARTTLS")
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            secured = await loop.start_tls(self._transport, self, context)
            assert secured is not None
            self._transport = secured
            await self.greet()
            word = base64.b64encode(f"\0{self.user}\0{PASSWORD}".encode())
            await self.ask(b"AUTH PLAIN " + word)

    async def greet(self) -> None:
        """Say EHLO and see what is offered."""
        offered = await self.ask(b"EHLO bench")
        self._pipelining = b"PIPELINING" in offered and not self.one_by_one

    async def answers(self, count: int) -> bytes:
        """So many answers, all their lines."""
        found, lines = 0, b""
        while found < count:
            end = self._came.find(b"\n") + 1
            if not end:
                if self._ended:
                    raise RuntimeError("the server closed the connection")
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                continue
            line = bytes(self._came[:end])
            del self._came[:end]
            if line[:1] in b"45":
                raise RuntimeError(f"server said {line!r}")
            found += line[3:4] != b"-"
            lines += line
        return lines

    async def ask(self, line: bytes) -> bytes:
        """Say one line and read its answer."""
        self._transport.write(line + b"\r\n")
        return await self.answers(1)

    async def send(self) -> float:
        """Hand in one message; the time of its final dot."""
        self.n += 1
        head = (
            f"From: ann@example.org\r\nTo: {TO}\r\nSubject: x\r\n"
            f"Message-ID: <{id(self)}.{self.n}.{time.time_ns()}@example.org>\r\n"
            "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\n"
        )
        return await self.hand_in("ann@example.org", (head + BODY).encode())

    async def hand_in(self, sender: str, mail: bytes) -> float:
        """Hand in a mail whose lines need no dot-stuffing; the time of its final dot."""
        envelope = (f"MAIL FROM:<{sender}>".encode(), f"RCPT TO:<{TO}>".encode(), b"DATA")
        if self._pipelining:
            self._transport.write(b"\r\n".join(envelope) + b"\r\n")
            await self.answers(3)
        else:
            for line in envelope:
                await self.ask(line)
        self._transport.write(mail + b".\r\n")
        dot = time.perf_counter()
        await self.answers(1)
        return dot

    def close(self) -> None:
        """End the connection."""
        self._transport.close()


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_house(folder: Path, port: int, sink: int, more: str = "") -> Path:
    """A configuration with one person who logs in; `more` is further YAML."""
    from argon2 import PasswordHasher

    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )
    hashed = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1).hash(PASSWORD)
    (folder / "ann.hash").write_text(hashed)
    for name in ("ann.hash", "key.pem"):
        (folder / name).chmod(0o600)
    path = folder / "housecarl.yaml"
    path.write_text(
        f"""house: Elm Street
spool: spool
people:
  ann:
    addresses: [ann@example.org]
    phones: ["{PHONE}"]
    may: ["*"]
    login: {{user: ann, hash: {{file: ann.hash}}}}
doors:
  smtp:
    listen: "127.0.0.1:{port}"
    recipients: [{TO}]
    certificate: {{cert: cert.pem, key: key.pem}}
    session: 10m
limits: {{calls_per_hour: 0, texts_per_hour: 0, texts_per_day: 0}}
post: {{host: 127.0.0.1, port: {sink}, tls: none, from: house@home.example}}
{more}
"""
    )
    return path


async def greeted(port: int, process: asyncio.subprocess.Process | None = None) -> None:
    """Return when a server says 220."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert (await reader.readline()).startswith(b"220")
            writer.close()
            return
        except (ConnectionError, AssertionError):
            if process is not None and process.returncode is not None:
                raise RuntimeError("the server ended") from None
            await asyncio.sleep(0.002)


@asynccontextmanager
async def housecarl(
    folder: Path, sink: int, more: str = "", processor: int | None = None
) -> AsyncIterator[tuple[int, psutil.Process, float]]:
    """`housecarl run`: its port, its process, the seconds until it said 220.

    With `processor` on that one only, as by systemd's CPUAffinity.
    """
    port = free_port()
    path = write_house(folder, port, sink, more)
    began = time.perf_counter()
    log = (folder / "log").open("wb")
    bound = () if processor is None else ("taskset", "-c", str(processor))
    process = await asyncio.create_subprocess_exec(
        *bound,
        *(Path(sys.executable).with_name("housecarl"), "-q", "-c", path, "run"),
        stderr=log,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},  # bytecode is kept, as once installed
    )
    try:
        try:
            await greeted(port, process)
        except RuntimeError as error:
            raise RuntimeError((folder / "log").read_text()) from error
        yield port, psutil.Process(process.pid), time.perf_counter() - began
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 40)


BARE = """
import asyncio, sys
from aiosmtpd.smtp import SMTP
class Discard:
    async def handle_DATA(self, server, session, envelope): return "250 ok"
async def main():
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: SMTP(Discard(), loop=loop), "127.0.0.1", int(sys.argv[1]))
    await asyncio.sleep(6 * 3600)
asyncio.run(main())
"""


@asynccontextmanager
async def bare_aiosmtpd() -> AsyncIterator[tuple[int, psutil.Process, float]]:
    """aiosmtpd as it comes, discarding what it gets."""
    port = free_port()
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BARE, str(port))
    try:
        await greeted(port)
        yield port, psutil.Process(process.pid), time.perf_counter() - began
    finally:
        process.terminate()
        await process.wait()


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU it has used."""
    times = process.cpu_times()
    return times.user + times.system


def rss(process: psutil.Process) -> float:
    """MiB of memory it holds."""
    return process.memory_info().rss / 2**20


async def throughput(
    port: int,
    user: str,
    count: int,
    connections: int,
    answered: bool,
    used: Callable[[], float] = time.process_time,
) -> tuple[float, float]:
    """Messages a second, and what `used` grew by for 1,000 of them.

    Both from the first MAIL to the last reply (or the last 250): logins are before that.
    """
    clients, count = [Client(port, user) for _ in range(connections)], count - count % connections
    for client in clients:
        await client.connect()
    drain()
    began, before = time.perf_counter(), used()

    async def run(client: Client) -> None:
        for _ in range(count // connections):
            await client.send()

    await asyncio.gather(*(run(client) for client in clients))
    if answered:
        for _ in range(count):
            await asyncio.wait_for(Sink.arrived.get(), 60)
    rate, spent = count / (time.perf_counter() - began), (used() - before) * 1000 / count
    for client in clients:
        client.close()
    return rate, spent


def drain() -> None:
    """Forget what has arrived."""
    while not Sink.arrived.empty():
        Sink.arrived.get_nowait()


async def latency(port: int, user: str, count: int) -> list[float]:
    """Final dot to reply accepted, in ms, one message after another."""
    client = Client(port, user)
    await client.connect()
    taken = []
    for n in range(count + 20):
        dot = await client.send()
        at, _ = await asyncio.wait_for(Sink.arrived.get(), 30)
        if n >= 20:
            taken.append((at - dot) * 1000)
    return taken


async def idle(process: psutil.Process, seconds: float) -> tuple[float, float]:
    """Per cent of CPU and voluntary wake-ups a minute while nothing happens."""
    before, switches = cpu(process), process.num_ctx_switches().voluntary
    await asyncio.sleep(seconds)
    used = cpu(process) - before
    woken = process.num_ctx_switches().voluntary - switches
    return used / seconds * 100, woken / seconds * 60


async def main(count: int, idle_seconds: float, processor: int | None) -> None:
    """Measure both and print the table."""
    Sink.arrived = asyncio.Queue()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    sink = server.sockets[0].getsockname()[1]
    rows: list[tuple[str, str]] = []
    starts = []
    for _ in range(5):
        async with housecarl(Path(tempfile.mkdtemp()), sink, processor=processor) as (_, _, start):
            starts.append(start)
    rows.append(("cold start to 220, median of 5", f"{statistics.median(starts):.3f} s"))
    folder = Path(tempfile.mkdtemp())
    async with housecarl(folder, sink, processor=processor) as (port, process, _):
        await asyncio.sleep(1)
        rows.append(("RSS idle", f"{rss(process):.1f} MiB"))
        if idle_seconds:
            used, woken = await idle(process, idle_seconds)
            rows.append((f"idle for {idle_seconds:g} s", f"{used:.3f} % CPU, {woken:.1f}/min"))
        taken = sorted(await latency(port, "ann", 300))
        p50, p99 = statistics.median(taken), taken[int(len(taken) * 0.99)]
        rows.append(("final dot to reply, p50 / p99", f"{p50:.2f} / {p99:.2f} ms"))
        rate, used = await throughput(port, "ann", count, 10, True, partial(cpu, process))
        rows.append((f"{count} messages, 10 connections", f"{rate:.0f} /s"))
        rows.append(("CPU for 1,000 messages", f"{used:.2f} s"))
        rows.append(("RSS loaded", f"{rss(process):.1f} MiB"))
        log = (folder / "log").read_text()
        if log.strip():
            rows.append(("log", log[-400:]))
    async with bare_aiosmtpd() as (port, process, start):
        bare, spent = await throughput(port, "", count, 10, False, partial(cpu, process))
        rows.append(
            ("bare aiosmtpd, discards", f"{bare:.0f} /s, {spent:.2f} s, start {start:.2f} s")
        )
        rows.append(("housecarl / bare aiosmtpd", f"{rate / bare:.0%}"))
    server.close()
    for name, value in rows:
        print(f"{name:36} {value}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--one-by-one", action="store_true", help="clients that never pipeline")
    parser.add_argument("--idle", type=float, default=0, help="seconds to watch an idle daemon")
    parser.add_argument("--processor", type=int, help="hold housecarl on this one processor")
    parser.add_argument("--keep", type=Path, help="a folder for all files, which stay there")
    options = parser.parse_args()
    Client.one_by_one = options.one_by_one
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    # Removed at the end: without a journal, ext4 gives a freed inode out again only after a minute,
    # and until then looks at each whenever it makes a file. So runs in a row keep their files.
    with ExitStack() as stack:
        everything = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        everything.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(everything)
        asyncio.run(main(options.count, options.idle, options.processor))
