"""A served SMTP door and raw peers that talk to it over loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from housecarl.doors.smtp import SmtpDoor
from housecarl.doors.smtp_settings import SmtpSettings
from housecarl.message.stamp import Stamp

CMD = "cmd@home.example"
HEAD = b"From: ann@example.org\r\nSubject: hello\r\nMessage-ID: <1@example.org>\r\n\r\n"
MESSAGE = HEAD + b"!uptime\r\n"

#: Seconds within which loopback answers whatever happens.
SOON = 5.0


@dataclass
class Served:
    """The door and all it handed on; `deliver` can be set to go wrong."""

    door: SmtpDoor
    kept: list[tuple[bytes, Stamp]] = field(default_factory=list)
    deliver: Callable[[], Awaitable[None]] | None = None
    peers: list[Peer] = field(default_factory=list)

    async def keep(self, raw: bytes, stamp: Stamp) -> str:
        if self.deliver is not None:
            await self.deliver()
        self.kept.append((raw, stamp))
        return f"{len(self.kept):04x}"

    async def peer_being_stored(self) -> tuple[Peer, asyncio.Event]:
        """A peer whose message, as of now each one, is safe only once the event is set."""
        asked, safe = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            asked.set()
            await safe.wait()

        self.deliver = slow
        peer = await self.peer()
        await peer.begin()
        peer.send(MESSAGE + b".\r\n")
        await asked.wait()
        return peer, safe

    async def peer(self, greet: bool = True, source: str = "127.0.0.1") -> Peer:
        """A peer that has read the banner and, with `greet`, said EHLO."""
        peer = Peer(*await asyncio.open_connection(*self.door.address, local_addr=(source, 0)))
        self.peers.append(peer)
        if greet:
            assert (await peer.reply()).startswith("220 ")
            await peer.say("EHLO peer.example")
        return peer


def has_ipv6() -> bool:
    """Whether this machine has the loopback of IPv6, which many containers lack."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Peer:
    """One connection seen from the other side, in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """The next reply, all its lines; "" when the door has closed."""
        lines = []
        async with asyncio.timeout(SOON):
            while True:
                try:
                    line = (await self.reader.readline()).decode()
                except ConnectionError:
                    line = ""
                lines.append(line)
                if line[3:4] != "-":
                    return "".join(lines).rstrip("\r\n")

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def say(self, command: str) -> str:
        """One command and its reply."""
        self.send(command.encode("latin-1") + b"\r\n")
        return await self.reply()

    async def begin(self, sender: str = "ann@example.org", to: str = CMD) -> str:
        """A message up to DATA; the last reply."""
        await self.say(f"MAIL FROM:<{sender}>")
        await self.say(f"RCPT TO:<{to}>")
        return await self.say("DATA")

    async def message(self, raw: bytes = MESSAGE, sender: str = "ann@example.org") -> str:
        """A whole message, dots stuffed; the last reply."""
        assert (await self.begin(sender)).startswith("354 ")
        self.send(raw.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return await self.reply()

    async def ended(self) -> bytes:
        """What still comes until the door closes."""
        async with asyncio.timeout(SOON):
            try:
                return await self.reader.read(-1)
            except ConnectionError:
                return b""

    async def starttls(self, context: ssl.SSLContext) -> None:
        assert (await self.say("STARTTLS")).startswith("220 ")
        await self.writer.start_tls(context, server_hostname="localhost")
        await self.say("EHLO peer.example")

    async def close(self) -> None:
        self.writer.transport.abort()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass  # the door was first


@asynccontextmanager
async def serving(
    logins: Mapping[str, tuple[str, str]] | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """A door on a free loopback port with these settings on top of what suits a test."""
    usual: dict[str, Any] = {
        "recipients": (CMD,),
        "listen": "127.0.0.1:0",
        "hostname": "home.example",
        "tarpit": 0.0,
    }
    served: Served
    door = SmtpDoor(
        SmtpSettings(**{**usual, **settings}), lambda raw, stamp: served.keep(raw, stamp), logins
    )
    served = Served(door)
    await door.start()
    try:
        yield served
    finally:
        await asyncio.gather(*(peer.close() for peer in served.peers))
        await door.stop()


@asynccontextmanager
async def secured(
    served: Served, context: ssl.SSLContext, manner: str, source: str = "127.0.0.1"
) -> AsyncIterator[Peer]:
    """A peer at `source` under TLS by `starttls` or from the first byte (`tls`), EHLO said."""
    if manner == "starttls":
        peer = await served.peer()
        await peer.starttls(context)
    else:
        host, port = served.door.address_tls
        peer = Peer(
            *await asyncio.open_connection(
                host, port, ssl=context, server_hostname="localhost", local_addr=(source, 0)
            )
        )
        served.peers.append(peer)
        assert (await peer.reply()).startswith("220 ")
        await peer.say("EHLO peer.example")
    yield peer


async def has_left(served: Served, peer: Peer) -> None:
    """The peer says goodbye, and the door has seen it go."""
    await peer.say("QUIT")
    await peer.close()
    async with asyncio.timeout(5):
        while served.door._desk.crowd.guests:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)


def coded(*parts: str) -> str:
    """What AUTH sends for these, joined by NUL, in base64."""
    return b64encode("\0".join(parts).encode()).decode()


def auth_plain(*parts: str) -> str:
    """The AUTH PLAIN command that brings these, `(authzid, user, password)`."""
    return "AUTH PLAIN " + coded(*parts)
