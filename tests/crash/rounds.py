"""Rounds of `housecarl run` killed with -9 under SMTP load, and the books balanced from outside."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import signal
import smtplib
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import yaml

from housecarl.house import JOURNAL
from housecarl.journal import connect, receipts
from housecarl.testing.house import free_port
from housecarl.testing.inbox import Inbox

TO = "cmd@home.example"
PASSWORD = "correct horse"

#: Clients that send at the same time, each one message after another.
CLIENTS = 3

#: One kill in so many comes while the house still starts, within the seconds of the last start.
EARLY = 5

#: Seconds after the first 250 of a life within which the kill comes else.
LOADED_SECONDS = 0.15

#: Rounds after which a life may rest until all is answered, and the seconds it has for it.
REST_ROUNDS = 25
REST_SECONDS = 30.0

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
    """One house that is killed again and again; `violations` is what was not as promised."""

    def __init__(self, folder: Path, inbox: Inbox, seed: int) -> None:
        self.folder = folder
        self.inbox = inbox
        self.violations: list[str] = []
        self.acknowledged: set[int] = set()
        self.kills = 0
        self._port = free_port()
        self._random = random.Random(seed)
        self._numbers = itertools.count(1)
        self._unsure: list[int] = []
        self._taken = threading.Event()
        self._start_seconds = 0.5
        self._read = 0
        self._answers: dict[int, list[tuple[str, str]]] = {}
        self._prepare()

    def run(self, rounds: int) -> None:
        """Kill that often, rest now and then, and once at the end."""
        for n in range(1, rounds + 1):
            self._life()
            if n % REST_ROUNDS == 0 or n == rounds:
                self._rest()
            if self.violations:
                return

    def _prepare(self) -> None:
        from argon2 import PasswordHasher

        (self.folder / "modules").mkdir()
        ledger = self.folder / "ledger"
        ledger.touch()
        (self.folder / "modules" / "marks.py").write_text(MODULE.format(ledger=ledger))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
            + ["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
        (self.folder / "ann.hash").write_text(hashed)
        for name in ("ann.hash", "key.pem"):
            (self.folder / name).chmod(0o600)
        login = {"user": "ann", "hash": {"file": "ann.hash"}}
        ann = {"addresses": ["ann@example.org"], "may": ["*"], "login": login}
        smtp = {
            "listen": f"127.0.0.1:{self._port}",
            "recipients": [TO],
            "certificate": {"cert": "cert.pem", "key": "key.pem"},
        }
        post = {"host": "127.0.0.1", "port": self.inbox.port, "tls": "none", "from": TO}
        config = {
            "house": "Elm Street",
            "spool": "spool",
            "people": {"ann": ann},
            "doors": {"smtp": smtp},
            "limits": {"calls_per_hour": 0},
            "modules": {"folders": ["modules"]},
            "post": post,
        }
        (self.folder / "housecarl.yaml").write_text(yaml.safe_dump(config))

    def _start(self) -> subprocess.Popen[bytes]:
        housecarl = Path(sys.executable).with_name("housecarl")
        config = self.folder / "housecarl.yaml"
        command = [str(housecarl), "-q", "-c", str(config), "run"]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stderr=log)

    def _life(self) -> None:
        """One life under load until the kill."""
        process, began = self._start(), time.monotonic()
        over = threading.Event()
        self._taken.clear()
        clients = [threading.Thread(target=self._send_all, args=(over,)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        if self._random.randrange(EARLY):
            self._taken.wait(REST_SECONDS)
            self._start_seconds = time.monotonic() - began
            time.sleep(self._random.uniform(0, LOADED_SECONDS))  # the kill comes when it comes
        else:
            time.sleep(self._random.uniform(0, self._start_seconds))
        process.send_signal(signal.SIGKILL)
        over.set()
        process.wait()
        self.kills += 1
        for client in clients:
            client.join()
        twice = [n for n, times in self._marks().items() if times > 1]
        if twice:
            self.violations.append(f"ran twice: {twice}")

    def _rest(self) -> None:
        """A life in which nothing new comes: all that was acknowledged is answered and filed."""
        process = self._start()
        self._send_unsure()
        deadline = time.monotonic() + REST_SECONDS
        while time.monotonic() < deadline and not self._settled():
            time.sleep(0.05)  # seen from outside there is no event
        process.terminate()
        if process.wait(40) != 0:
            self.violations.append("it did not stop well")
        self._balance()

    def _send_all(self, over: threading.Event) -> None:
        """Send until the house is gone; what was not acknowledged is sent again another time."""
        while not over.is_set():
            try:
                with self._client() as client:
                    while not over.is_set():
                        self._send(client)
            except (OSError, smtplib.SMTPException):
                over.wait(0.02)  # not open yet, or gone

    def _send_unsure(self) -> None:
        deadline = time.monotonic() + REST_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, smtplib.SMTPException), self._client() as client:
                while self._unsure:
                    self._send(client)
                return

    def _client(self) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self._port, timeout=20)
        try:
            client.starttls(context=ssl._create_unverified_context())  # loopback
            client.login("ann", PASSWORD)
        except BaseException:
            client.close()
            raise
        return client

    def _send(self, client: smtplib.SMTP) -> None:
        """One message; one without an answer is unsure, and comes again as the same."""
        try:
            n = self._unsure.pop()
        except IndexError:
            n = next(self._numbers)
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "ann@example.org", TO, "x"
        mail["Message-ID"] = f"<{n}@example.org>"
        mail["Date"] = "Mon, 23 Nov 2026 12:00:00 +0000"
        mail.set_content(f"!{'peek' if n % 3 == 0 else 'mark'} {n}\n")
        try:
            client.send_message(mail)
        except BaseException:
            self._unsure.append(n)
            raise
        self.acknowledged.add(n)
        self._taken.set()

    def _marks(self) -> Counter[int]:
        return Counter(int(line) for line in (self.folder / "ledger").read_text().split())

    def _replies(self) -> dict[int, list[tuple[str, str]]]:
        """What was answered to each message: (Message-ID, first line)."""
        new = self.inbox.received[self._read :]
        self._read += len(new)
        for each in new:
            n = int(str(each.mail["In-Reply-To"])[1:].partition("@")[0])
            told = (str(each.mail["Message-ID"]), each.text.splitlines()[0])
            self._answers.setdefault(n, []).append(told)
        return self._answers

    def _waiting(self) -> list[str]:
        spool = self.folder / "spool"
        left = (path for state in ("tmp", "new", "work") for path in (spool / state).iterdir())
        return [f"{path.parent.name}/{path.name}" for path in left]

    def _settled(self) -> bool:
        return not self.acknowledged - self._replies().keys() and not self._waiting()

    def _balance(self) -> None:
        """Acknowledged is answered, answered once and truly, and folders and journal agree."""
        marks, replies = self._marks(), self._replies()
        say = self.violations.append
        if lost := sorted(self.acknowledged - replies.keys()):
            say(f"acknowledged and not answered: {lost}")
        for n, told in replies.items():
            if len({identity for identity, _ in told}) != 1 or len({text for _, text in told}) != 1:
                say(f"{n} was answered in two ways: {told}")
            text = told[0][1]
            interrupted = "interrupted" in text
            if n % 3 == 0:
                if text != f"peeked {n}.":
                    say(f"a look was answered with {text!r}")
            elif text != f"marked {n}." and not interrupted:
                say(f"{n} was answered with {text!r}")
            elif not interrupted and marks[n] != 1:
                say(f"{n} was told as done and ran {marks[n]} times")
        if untold := sorted(n for n in marks if n not in replies):
            say(f"done and not told: {untold}")
        if left := self._waiting():
            say(f"left over: {left}")
        self._compare()

    def _compare(self) -> None:
        """Each file is where the journal says, and each that the journal names is there."""
        spool = self.folder / "spool"
        there = {p.name: p.relative_to(spool).parts[0] for p in spool.rglob("*.eml")}
        conn = connect(spool / JOURNAL, readonly=True)
        try:
            noted = {r.file: r.state for r in receipts.listing(conn, limit=10_000_000)}
        finally:
            conn.close()
        if there != noted:
            wrong = sorted(set(there.items()) ^ set(noted.items()))
            self.violations.append(f"folders and journal differ: {wrong[:10]}")


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
