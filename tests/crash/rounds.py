"""Rounds of `housecarl run` killed with -9 under SMTP load, and the books balanced from outside."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import yaml
from tests.crash.books import Books
from tests.crash.load import PASSWORD, TO, Load

from housecarl.testing.house import free_port
from housecarl.testing.inbox import Inbox

#: Rounds after which a life may rest until all is answered.
REST_ROUNDS = 25

#: Seconds in which a daemon is there, also on a machine that does ten other things.
START_SECONDS = 30.0

#: What a daemon is started with, before the arguments of `housecarl`.
HOUSECARL = (sys.executable, "-m", "tests.long_up")

MODULE = '''
"""A change that leaves a trace, and a look."""
import os

from housecarl import Call, Reply, Risk, command


@command(risk=Risk.CHANGE)
async def mark(call: Call, n: int) -> Reply:
    """Append to the ledger."""
    fd = os.open("{ledger}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, b"%d\\n" % n)
    os.close(fd)
    return Reply(f"marked {{n}}.")


@command()
async def peek(call: Call, n: int) -> Reply:
    """Look."""
    return Reply(f"peeked {{n}}.")
'''


class Rounds:
    """One house that is struck again and again; `violations` is what was not as promised.

    `spool` may be on another disk than `folder`, which holds everything else.
    """

    #: Chance of a strike while the house still starts, within the seconds of the last start.
    early = 0.2

    #: Seconds after the first 250 of a life within which the strike comes else.
    loaded_seconds = 0.15

    #: Seconds in which a house that rests, and is there, has to answer everything.
    rest_seconds = 30.0

    def __init__(
        self, folder: Path, inbox: Inbox, seed: int, spool: Path, command: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        self.spool = spool
        self.violations: list[str] = []
        self.kills = 0
        self.random = random.Random(seed)
        self.books = Books(folder / "ledger", spool, inbox)
        self.load = Load(free_port())
        self._command = command or HOUSECARL
        self._start_seconds = 0.5
        self._processes: list[subprocess.Popen[bytes]] = []
        prepare(folder, spool, self.load.port, inbox.port)

    @property
    def acknowledged(self) -> set[int]:
        """The numbers of the messages that got a 250."""
        return self.load.acknowledged

    def run(self, rounds: int, until: float = math.inf) -> None:
        """Strike that often or until a time, rest now and then, and once at the end."""
        for n in range(1, rounds + 1):
            self._life()
            last = n == rounds or time.monotonic() > until
            if n % REST_ROUNDS == 0 or last:
                self.rest()
            if self.violations or last:
                return

    def start(self, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A daemon, with more in its environment if asked."""
        config = self.folder / "housecarl.yaml"
        command = [*self._command, "-q", "-c", str(config), "run"]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stderr=log, env={**os.environ, **(env or {})})
        self._processes = [each for each in self._processes if each.poll() is None] + [process]
        return process

    def close(self) -> None:
        """Let no daemon live on, whatever ended the rounds."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _life(self) -> None:
        """One life under load until the kill."""
        process, began = self.start(), time.monotonic()
        with self.load.flowing() as over:
            if self.random.random() < self.early:
                time.sleep(self.random.uniform(0, self._start_seconds))
            else:
                self.load.taken.wait(START_SECONDS)
                self._start_seconds = time.monotonic() - began
                time.sleep(self.random.uniform(0, self.loaded_seconds))  # it comes when it comes
            self.strike(process)
            over.set()
        self.kills += 1
        self.violations += self.books.twice()

    def strike(self, process: subprocess.Popen[bytes]) -> None:
        """End a life."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def rest(self) -> None:
        """A life in which nothing new comes: all that was acknowledged is answered and filed."""
        process = self.start()
        self.load.send_unsure()
        self.settle()
        process.terminate()
        if process.wait(40) != 0:
            self.violations.append("it did not stop well")
        self.balance()

    def settle(self) -> None:
        """Wait until the daemon is there, then until all is answered and filed, or long enough."""
        until(self.is_open, START_SECONDS)
        until(lambda: self.books.settled(self.acknowledged), self.rest_seconds)

    def is_open(self) -> bool:
        """Whether somebody listens at the door; who is only starting catches no signal yet."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.load.port)) == 0

    def balance(self) -> None:
        """Balance the books."""
        self.violations += self.books.balance(self.acknowledged)
        if self.load.refused:
            self.violations.append(f"told to a sender for good: {self.load.refused[:5]}")


def until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds, or so long."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)  # seen from outside there is no event


def prepare(folder: Path, spool: Path, port: int, smarthost: int) -> None:
    """A house of its own: one person with a password, one module."""
    from argon2 import PasswordHasher

    (folder / "modules").mkdir()
    ledger = folder / "ledger"
    ledger.touch()
    (folder / "modules" / "marks.py").write_text(MODULE.format(ledger=ledger))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    (folder / "ann.hash").write_text(hashed)
    for name in ("ann.hash", "key.pem"):
        (folder / name).chmod(0o600)
    login = {"user": "ann", "hash": {"file": "ann.hash"}}
    smtp = {
        "listen": f"127.0.0.1:{port}",
        "recipients": [TO],
        "certificate": {"cert": "cert.pem", "key": "key.pem"},
    }
    config = {
        "house": "Elm Street",
        "spool": str(spool),
        "people": {"ann": {"addresses": ["ann@example.org"], "may": ["*"], "login": login}},
        "doors": {"smtp": smtp},
        "limits": {"calls_per_hour": 0},
        "modules": {"folders": ["modules"]},
        "post": {"host": "127.0.0.1", "port": smarthost, "tls": "none", "from": TO},
    }
    (folder / "housecarl.yaml").write_text(yaml.safe_dump(config))


@contextlib.contextmanager
def smarthost() -> Iterator[Inbox]:
    """An inbox that outlives every house, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    inbox = Inbox()
    asyncio.run_coroutine_threadsafe(inbox.start(), loop).result(10)
    try:
        yield inbox
    finally:
        asyncio.run_coroutine_threadsafe(inbox.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
