"""The mailbox door on a real Dovecot, the long form: `python -m benchmarks.mailbox [PART…]`.

Parts: latency (append to reply), start (100,000 messages lie there), memory (10,000 messages),
servers (killed 50 times while 1,000 messages arrive), daemons (killed 50 times at random). Each
runs `housecarl` as a process of its own, with a made-up Google Voice whose key is the whole DNS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import psutil
from tests.doors.certificate import certificate
from tests.doors.dovecot import PASSWORD, Dovecot
from tests.doors.pymap_server import pymap

from housecarl import config_file
from housecarl.clock import SystemClock
from housecarl.daemon import Daemon
from housecarl.errors import StorageError
from housecarl.journal import JOURNAL
from housecarl.journal.conditions import listing
from housecarl.journal.database import connect
from housecarl.testing.carrier import Carrier
from housecarl.testing.inbox import Inbox
from housecarl.trust import Answers

NUMBER = "+13035550123"
USER = "house"

#: A command that changes something and keeps count: at most one line a message.
MODULE = '''
"""Count."""
import os
from housecarl import Call, Reply, Risk, command

@command(risk=Risk.CHANGE)
async def count(call: Call, n: int) -> Reply:
    """Count: count 7"""
    with open(os.environ["COUNTED"], "a") as file:
        file.write(f"{n}\\\\n")
    return Reply(f"counted {n}.")
'''


class Bench:
    """A Dovecot, a smarthost, and a daemon that can be killed, below one folder."""

    def __init__(self, folder: Path, more: str) -> None:
        self.folder = folder
        self.carrier = Carrier()
        self.inbox = Inbox()
        self.counted = folder / "counted"
        self.counted.touch()
        root = folder / "dv"
        root.mkdir()
        folder.chmod(0o755)
        self.dovecot = Dovecot(root, certificate(folder), more.replace("{root}", str(root)))
        self.daemon: subprocess.Popen[bytes] | None = None

    def configure(self, port: int) -> None:
        """Write what the daemon reads; the key of the carrier is kept for its process."""
        modules = self.folder / "modules"
        modules.mkdir(exist_ok=True)
        (modules / "count.py").write_text(MODULE.replace("\\\\n", "\\n"))
        (self.folder / "dns.json").write_text(json.dumps(self.carrier.dns))
        (self.folder / "housecarl.yaml").write_text(
            f"""house: Elm Street
spool: spool
people:
  ann: {{phones: ["{NUMBER}"], may: ["*"]}}
doors:
  imap: {{host: 127.0.0.1, port: {port}, tls: none, user: {USER},
         password: {{env: IMAP}}}}
trust: {{google_voice: {{account: {self.carrier.account}, number: "{self.carrier.number}"}}}}
limits: {{calls_per_hour: 0, texts_per_hour: 0, texts_per_day: 0}}
post: {{host: 127.0.0.1, port: {self.inbox.port}, tls: none, from: {self.carrier.account}}}
modules: {{folders: [modules]}}
"""
        )

    def start_daemon(self) -> None:
        """Start it; it is ready some time later."""
        command = [sys.executable, "-m", "benchmarks.mailbox", "--serve", str(self.folder)]
        given = {**os.environ, "IMAP": PASSWORD, "COUNTED": str(self.counted)}
        log = (self.folder / "log").open("ab")
        self.daemon = subprocess.Popen(command, env=given, stdout=log, stderr=log)
        log.close()

    def kill_daemon(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, however it likes that."""
        """End the daemon with a signal."""
        if self.daemon is not None:
            self.daemon.send_signal(number)
            self.daemon.wait(30)
            self.daemon = None

    async def until(self, what: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait until something is so; TimeoutError when it is not in time."""
        async with asyncio.timeout(seconds):
            while not what():  # noqa: ASYNC110 - another process: nothing tells us
                await asyncio.sleep(0.002)

    async def heard(self, count: int) -> None:
        """Wait until the smarthost has been handed so many replies."""
        await self.until(lambda: len(self.inbox.received) >= count)

    def is_watched(self) -> bool:
        """Whether the daemon has noted that it looked into the mailbox."""
        try:
            with closing(connect(self.folder / "spool" / JOURNAL, readonly=True)) as conn:
                return any(each.name == "door.imap" and each.ok for each in listing(conn))
        except (StorageError, sqlite3.Error):
            return False

    def append(self, client: Any, text: str) -> None:
        """Let a text of Ann's arrive."""
        """Put a text into the mailbox, as Google would."""
        client.append("INBOX", self.carrier.text(NUMBER, text))


@asynccontextmanager
async def bench(more: str = "") -> AsyncIterator[Bench]:
    """A bench with its servers running, all of it gone in the end."""
    """A mailbox, a house and an inbox of its own."""
    folder = Path(tempfile.mkdtemp(prefix="mb"))
    made = Bench(folder, more)
    try:
        await made.inbox.start()
        made.dovecot.start()
        made.configure(made.dovecot.port)
        yield made
    finally:
        made.kill_daemon()
        made.dovecot.stop()
        await made.inbox.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def started(made: Bench, client: Any) -> None:
    """The first start: ask until one text counts, since what lay there before does not."""
    made.start_daemon()
    n = len(made.inbox.received)
    async with asyncio.timeout(30):
        while len(made.inbox.received) == n:
            made.append(client, "!uptime")
            await asyncio.sleep(0.3)
    await asyncio.sleep(3)


async def latency() -> None:
    """Append to reply, one at a time, on a server that tells at once and on Dovecot."""
    async with bench() as made:
        with pymap(USER) as server, server.client() as client:
            made.configure(server.port)
            await timed(made, client, "pymap")
            made.kill_daemon()
        made.configure(made.dovecot.port)
        with made.dovecot.client(USER) as client:
            await timed(made, client, "Dovecot, which holds news of IDLE back for 500 ms")


async def timed(made: Bench, client: Any, server: str, texts: int = 100) -> None:
    """The time from before the APPEND until the reply is handed in."""
    await started(made, client)
    took = []
    for _ in range(texts):
        n = len(made.inbox.received)
        text = made.carrier.text(NUMBER, "!uptime")
        began = time.monotonic()
        client.append("INBOX", text)
        await made.heard(n + 1)
        took.append(made.inbox.received[n].at - began)
        await asyncio.sleep(random.uniform(0.0, 0.2))
    took.sort()
    print(
        f"latency   append to reply, {texts} texts: median {statistics.median(took) * 1000:.0f} ms,"
        f" p95 {took[texts * 95 // 100] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms ({server})"
    )


async def memory() -> None:
    """Resident memory while 10,000 messages come in, a tenth of them ours."""
    async with bench() as made:
        with made.dovecot.client(USER) as client:
            await started(made, client)
        assert made.daemon is not None
        process = psutil.Process(made.daemon.pid)
        foreign = b"From: x@example.com\r\nSubject: x\r\n\r\n" + b"x" * 2000 + b"\r\n"
        sizes, began = [], time.monotonic()
        with made.dovecot.client(USER) as client:
            for _ in range(10):
                n = len(made.inbox.received)
                for k in range(1000):
                    if k % 10:
                        client.append("INBOX", foreign)
                    else:
                        made.append(client, "!uptime")
                await made.heard(n + 100)
                sizes.append(process.memory_info().rss / 2**20)
        shown = " ".join(f"{size:.1f}" for size in sizes)
        print(f"memory    MiB after each 1,000 of 10,000 messages: {shown}")
        print(f"          in {time.monotonic() - began:.0f} s, {process.num_fds()} descriptors")


async def start() -> None:
    """Start on a mailbox where 100,000 messages lie already.

    An mbox: in a Maildir Dovecot itself takes 20 s to look through so many files.
    """
    async with bench("mail_location = mbox:{root}/mail/%u:INBOX={root}/mail/%u/inbox") as made:
        home = made.dovecot.root / "mail" / USER
        home.mkdir()
        raw = (
            "From x@example.com Tue Nov 24 10:00:00 2026\nFrom: x@example.com\nSubject: x\n\nx\n\n"
        )
        (home / "inbox").write_text(raw * 100_000)
        owner = home.parent.stat()
        for path in (home, home / "inbox"):
            os.chown(path, owner.st_uid, owner.st_gid)
        with made.dovecot.client(USER) as client:
            client.select_folder("INBOX")
            client.search("UID *")
        with made.dovecot.client(USER) as client:
            began = time.monotonic()
            count = client.select_folder("INBOX")[b"EXISTS"]
            client.search("UID *")
            alone = time.monotonic() - began
        began = time.monotonic()
        made.start_daemon()
        await made.until(made.is_watched)
        took = time.monotonic() - began
        assert made.daemon is not None
        size = psutil.Process(made.daemon.pid).memory_info().rss / 2**20
        print(
            f"start     on {count} messages, process start to watched: {took:.2f} s, "
            f"{size:.0f} MiB; the server's own SELECT and SEARCH take {alone:.2f} s of it"
        )


async def servers() -> None:
    """The mail server is killed and started 50 times while 1,000 messages arrive."""

    async def round_of(made: Bench, _: int) -> None:
        await asyncio.sleep(random.uniform(0, 0.05))
        made.dovecot.stop(signal.SIGKILL)
        made.dovecot.start()

    await rounds("servers", round_of)


async def daemons() -> None:
    """The daemon is killed and started 50 times at random while 1,000 messages arrive."""

    async def round_of(made: Bench, _: int) -> None:
        await asyncio.sleep(random.uniform(0.3, 1.2))
        made.kill_daemon()
        made.start_daemon()

    await rounds("daemons", round_of)


async def rounds(name: str, round_of: Callable[[Bench, int], Awaitable[None]]) -> None:
    """50 rounds of 20 messages and one death each; every message must have run once."""
    began = time.monotonic()
    async with bench() as made:
        with made.dovecot.client(USER) as client:
            await started(made, client)
        before, n = len(made.inbox.received), 0
        for number in range(50):
            with made.dovecot.client(USER) as client:
                for _ in range(20):
                    made.append(client, f"!count {n}")
                    n += 1
            await round_of(made, number)

        def answered() -> int:
            ids = {each.mail["Message-ID"] for each in made.inbox.received[before:]}
            return len(ids)

        try:
            deadline = time.monotonic() + 180
            while answered() < n and time.monotonic() < deadline:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.2)
        finally:
            ran = Counter(made.counted.read_text().split())
            texts = Counter(each.text.split()[0] for each in made.inbox.received[before:])
            print(
                f"{name:<9} 50 deaths, {n} messages: {len(ran)} ran, "
                f"{sum(1 for times in ran.values() if times > 1)} ran twice, "
                f"{answered()} answered ({dict(texts.most_common(4))}), "
                f"{n - answered()} lost; {time.monotonic() - began:.0f} s"
            )


async def serve(folder: Path) -> None:
    """The daemon of one folder, believing the made-up carrier."""
    loaded = config_file.load(folder / "housecarl.yaml")
    daemon = Daemon(loaded, SystemClock(), Answers.load(folder / "dns.json"))
    daemon.handle_signals()
    await daemon.run()


PARTS = {each.__name__: each for each in (latency, start, memory, servers, daemons)}


def main() -> None:
    """Run the parts that are named, or all."""
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="*", help=", ".join(PARTS))
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.serve))
        return
    for name in given.part or PARTS:
        asyncio.run(PARTS[name]())


if __name__ == "__main__":
    main()
