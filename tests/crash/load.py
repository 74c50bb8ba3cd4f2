"""The load of a house that is struck: clients that send by SMTP, and what was acknowledged."""

from __future__ import annotations

import contextlib
import itertools
import smtplib
import ssl
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage

TO = "cmd@home.example"
PASSWORD = "correct horse"

#: Clients that send at the same time, each one message after another.
CLIENTS = 3

#: Seconds within which a house that is well takes what is sent.
PATIENCE = 30.0

#: Seconds between two tries of a client that got no 250.
AGAIN_SECONDS = 0.02


class Load:
    """Numbered messages; one without an answer is unsure, and comes again as the same.

    Each third is a look, the others change something. `refused` holds the codes that would make a
    mail server give a message up.
    """

    def __init__(self, port: int) -> None:
        self.acknowledged: set[int] = set()
        self.taken = threading.Event()
        self.refused: list[str] = []
        self.port = port
        self._numbers = itertools.count(1)
        self._unsure: list[int] = []

    @contextlib.contextmanager
    def flowing(self) -> Iterator[threading.Event]:
        """Clients that send all the time; the event ends them sooner than the block does."""
        over = threading.Event()
        self.taken.clear()
        clients = [threading.Thread(target=self._send_all, args=(over,)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield over
        finally:
            over.set()
            for client in clients:
                client.join()

    def _send_all(self, over: threading.Event) -> None:
        """Send until it is over; what was not acknowledged is sent again another time."""
        while not over.is_set():
            with self._hearing(), self._client() as client:
                while not over.is_set():
                    self._send(client)
            over.wait(AGAIN_SECONDS)  # not open yet, not now, or gone

    def send(self, count: int) -> bool:
        """Send what is unsure and then new ones, that many in all; whether they were taken."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with self._hearing(), self._client() as client:
                while count:
                    self._send(client)
                    count -= 1
                return True
            time.sleep(AGAIN_SECONDS)  # seen from outside there is no event
        return False

    def send_unsure(self) -> bool:
        """Send what is unsure; whether it was taken."""
        return self.send(len(self._unsure))

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """Note what a sender is told other than 250."""
        try:
            yield
        except smtplib.SMTPRecipientsRefused as error:
            for code, text in error.recipients.values():
                self._hear(code, text)
        except smtplib.SMTPResponseException as error:
            self._hear(error.smtp_code, error.smtp_error)
        except (OSError, smtplib.SMTPException):
            pass  # the connection is gone

    def _hear(self, code: int, text: bytes | str) -> None:
        if code >= 500:
            self.refused.append(f"{code} {text!r}")

    def _client(self) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.port, timeout=20)
        try:
            client.starttls(context=ssl._create_unverified_context())  # loopback
            client.login("ann", PASSWORD)
        except BaseException:
            client.close()
            raise
        return client

    def _send(self, client: smtplib.SMTP) -> None:
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
        self.taken.set()
