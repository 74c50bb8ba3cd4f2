"""A smarthost on loopback that keeps what it is given: where a test reads the replies."""

from __future__ import annotations

import asyncio
import email
import threading
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True, slots=True)
class Received:
    """One mail that was handed in; `at` is time.monotonic() of the moment it was taken."""

    to: str
    sender: str
    raw: bytes
    at: float

    @property
    def mail(self) -> EmailMessage:
        """The mail, parsed; it is our own, so the slow parser is safe here."""
        return email.message_from_bytes(self.raw, policy=default)

    @property
    def text(self) -> str:
        """Its plain text."""
        body = self.mail.get_body(("plain",))
        return "" if body is None else str(body.get_content()).strip()


class Inbox:
    """Takes every mail, or none while it is `busy`; may be read from any thread."""

    def __init__(self) -> None:
        self.busy = False
        self.received: list[Received] = []
        self._news = threading.Condition()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback in the running loop."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="inbox", loop=loop), "127.0.0.1", port or self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more; what was received stays."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep one mail (called by aiosmtpd)."""
        if self.busy:
            return "451 4.3.2 Busy, try later"
        content: Any = envelope.content
        for to in envelope.rcpt_tos:
            got = Received(to, envelope.mail_from or "", content, time.monotonic())
            with self._news:
                self.received.append(got)
                self._news.notify_all()
        return "250 OK"

    def wait(self, count: int = 1, seconds: float = 30.0, to: str | None = None) -> list[Received]:
        """All mails (to one address) once there are `count`; raises TimeoutError with what came."""

        def enough() -> bool:
            return len(self.to(to)) >= count

        with self._news:
            if not self._news.wait_for(enough, seconds):
                texts = [each.text for each in self.to(to)]
                raise TimeoutError(f"{len(texts)} of {count} replies after {seconds:g} s: {texts}")
        return self.to(to)

    def to(self, address: str | None = None) -> list[Received]:
        """What has come so far, to everybody or to one address."""
        return [each for each in self.received if address in (None, each.to)]
