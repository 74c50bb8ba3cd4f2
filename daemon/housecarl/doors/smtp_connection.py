"""One connection to the SMTP door: its bytes, its time, its TLS, its turn-taking."""

from __future__ import annotations

import asyncio

import structlog
from aiosmtpd.smtp import SMTP

from housecarl.doors.smtp_crowd import counted
from housecarl.doors.smtp_desk import TRY_LATER, Desk
from housecarl.doors.smtp_intake import BadLine, Intake
from housecarl.doors.smtp_settings import (
    BYTES_FACTOR,
    CALLS,
    CALLS_OF,
    HANDSHAKE_SECONDS,
    LINGER_SECONDS,
)
from housecarl.doors.smtp_standing import Standing

#: Bytes read from a socket at once; asyncio's own 256 KiB would be mapped and unmapped every time.
CHUNK = 64 * 1024

#: One buffer for all: what is read into it is copied before anything else can run.
_BUFFER = memoryview(bytearray(CHUNK))

log = structlog.get_logger()


class Goodbye(Exception):
    """The session ends with this reply."""


class SmtpConnection(SMTP, asyncio.BufferedProtocol):
    """aiosmtpd's protocol with its gaps closed; `under_tls` asks for a handshake before all else.

    aiosmtpd 1.4.6 by itself keeps a body without CR LF in memory whole, waits for peers that never
    read, tells a peer our exceptions, and bounds neither connections nor the length of a session.
    """

    def __init__(
        self, desk: Desk, loop: asyncio.AbstractEventLoop, under_tls: bool, peer: str
    ) -> None:
        super().__init__(None, hostname=desk.settings.name, loop=loop)
        self.desk = desk
        self.peer = peer
        self.address = counted(peer)
        self.since = loop.time()
        self.tls_name = ""
        self.person = ""
        self.busy = False
        self.proving = False
        self.brought = False
        self.excused = False
        self.sender: str | None = None
        self.rcpt_tos: list[str] = []
        self.intake = Intake(loop)
        self._under_tls = under_tls
        self._raw: asyncio.Transport | None = None
        self._lost = False
        self._parted = False
        self._calls: dict[str, int] = {}
        self._unsaid = bytearray()
        self._heard = self.since
        self._ends_at = self.since + desk.settings.session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the dialogue, unless the session was ended before it began."""
        assert isinstance(transport, asyncio.Transport)
        if self._lost:
            transport.abort()
            return
        if self._under_tls:
            transport.pause_reading()  # the handshake must find every byte
        self._raw = self.intake.transport = transport
        super().connection_made(transport)

    # aiosmtpd and asyncio name the parameter differently
    def connection_lost(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, error: Exception | None
    ) -> None:
        """Let the session see that its peer has gone; a message that is being stored is stored."""
        if self._lost:
            return
        self._lost = True
        if not self.busy:
            self.desk.crowd.leave(self)
        if self.proving and self._handler_coroutine is not None:
            self._handler_coroutine.cancel()  # whose password it was does not matter any more
        assert self._timeout_handle is not None
        self._timeout_handle.cancel()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.intake.end()
        self._drop_tls()

    def _drop_tls(self) -> None:
        """Let go of TLS and its 256 KiB: a session is a cycle, freed whenever the collector comes.

        Hundreds of such sessions in a few seconds would hold a hundred MiB.
        """
        if self._raw is not None and self.tls_name:
            self.transport = self.intake.transport = self._raw
            self._writer._transport = self._raw  # type: ignore[attr-defined] # as in secure

    def eof_received(self) -> bool:
        """A peer that only stops sending is still answered; TLS knows no such half."""
        self.intake.end()
        return not self.tls_name

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop puts what it reads."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Keep what was read; a peer that sends on and on and brings nothing is cut."""
        self.intake.feed(_BUFFER[:nbytes])
        if self.intake.fed > BYTES_FACTOR * self.desk.settings.max_size + CHUNK:
            self.cut("421 4.7.0 Too much data")

    def cut(self, reply: str) -> None:
        """End at once, also when the peer never reads; the reply gets there if it can."""
        log.debug("smtp-cut", peer=self.peer, reply=reply)
        if self._raw is None:
            self._lost = True
            self.desk.crowd.leave(self)
            return
        assert self.transport is not None
        if not (self._parted or self.transport.is_closing() or self.intake.transport is None):
            self._writer.write(bytes(self._unsaid) + reply.encode() + b"\r\n")
        self._raw.abort()

    def make_room(self) -> None:
        """Leave a full door to somebody else."""
        self.cut("421 4.3.2 Busy, try again later")

    @property
    def standing(self) -> Standing:
        """What the door remembers its address by, once it has left."""
        if self.person:
            return Standing.PROVEN
        return Standing.UNKNOWN if self.brought else Standing.FRUITLESS

    @property
    def keeps_its_place(self) -> bool:
        """Whether it is known, or a message or a password of it is in our hands."""
        return self.busy or self.proving or bool(self.person)

    def finish(self, reply: str) -> None:
        """Cut the session, or as soon as the message that is being stored has its answer."""
        if self.busy:
            self._ends_at = self.loop.time()
        else:
            self.cut(reply)

    # Time

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Note that a command came; the session's one timer looks later how long ago that was."""
        self._heard = self.loop.time()
        if self._timeout_handle is None:
            self._arm()

    def _arm(self) -> None:
        when = min(self._ends_at, self._heard + self.desk.settings.command)
        self._timeout_handle = self.loop.call_at(when, self._timeout_cb)

    def _timeout_cb(self) -> None:
        """Cut what takes too long, but not while we are the slow ones."""
        now = self.loop.time()
        if self.busy:
            self._heard = now
            self._ends_at = max(self._ends_at, now + 1.0)
        elif now >= min(self._ends_at, self._heard + self.desk.settings.command):
            self.cut("421 4.4.2 Too slow, goodbye")
            return
        self._arm()

    # The dialogue

    async def _handle_client(self) -> None:
        """Answer one command after another until one side has had enough."""
        try:
            if self._under_tls:
                await self.secure()
            await self.push(f"220 {self.hostname} ESMTP")
            while self.loop.time() < self._ends_at:
                await self._serve(await self.intake.line())
        except (Goodbye, BadLine) as goodbye:
            await self._part(str(goodbye))
        except OSError:
            pass  # the peer has gone, or never spoke TLS
        else:
            await self._part("421 4.4.2 Time is up, goodbye")
        finally:
            if self._lost:
                self.desk.crowd.leave(self)
            else:
                assert self.transport is not None
                self.transport.close()

    async def push(self, status: str) -> None:  # type: ignore[override] # all ours are text
        """Send a reply, and those that were held before it.

        A peer that does not read is waited for, as long as its session lasts.
        """
        said, self._unsaid = self._unsaid, bytearray()
        self._writer.write(said + status.encode("ascii") + b"\r\n")
        if self._writer.transport.get_write_buffer_size():
            await self._writer.drain()

    async def hold(self, status: str) -> None:
        """Reply to MAIL, RCPT or RSET: with the next reply where the next command is here already.

        RFC 2920 3.2; for the sender they are one packet then, and one record of TLS.
        """
        if self.intake.has_line:
            self._unsaid += status.encode("ascii") + b"\r\n"
        else:
            await self.push(status)

    async def _part(self, reply: str) -> None:
        """Say goodbye and linger: closing while a peer still sends would destroy the reply."""
        try:
            await self.push(reply)
            self._parted = True
            if self._raw is not None and not self.tls_name:
                self._raw.write_eof()
                async with asyncio.timeout(LINGER_SECONDS):
                    await self.intake.drop()
        except OSError:
            pass  # it has ended too, or did not wait for the answer, or takes its time

    async def _serve(self, line: str) -> None:
        """One command; an error of ours is a 451 and the session goes on."""
        self._reset_timeout()
        if not line.isascii() or not line.isprintable():
            self._count("?")
            await self.push("500 5.5.2 Plain ASCII only")
            return
        word, _, argument = line.partition(" ")
        word = word.upper()
        method = self._smtp_methods.get(word)
        self._count(word if method is not None else "?")
        if method is None:
            await self.push("500 5.5.1 Command unknown")
            return
        try:
            await method(argument.strip(" "))
        except (OSError, Goodbye, BadLine):
            raise
        except Exception:
            # whatever broke, the sender tries again and is told nothing of it
            log.exception("smtp-broke", peer=self.peer, command=word)
            await self.push(TRY_LATER)

    def _count(self, word: str) -> None:
        """Bound how often a command may come before the next accepted message."""
        calls = self._calls.get(word, 0) + 1
        if calls > CALLS_OF.get(word, CALLS):
            raise Goodbye("421 4.7.0 Too many commands, goodbye")
        self._calls[word] = calls

    def forgive(self) -> None:
        """It has brought a message: bytes, commands and its place are counted anew."""
        self._calls.clear()
        self.intake.forgive()
        self.brought = True
        self.since = self.loop.time()

    def _set_rset_state(self) -> None:
        """Forget the message that was begun."""
        self.sender = None
        self.rcpt_tos = []

    async def secure(self) -> None:
        """The TLS handshake; what came in the clear is dropped before. Raises OSError."""
        assert self.desk.tls is not None and self._raw is not None and self.session is not None
        self._raw.pause_reading()
        self.intake.forget()
        try:
            transport = await self.loop.start_tls(
                self._raw,
                self,
                self.desk.tls,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=LINGER_SECONDS,
            )
            if transport is None:
                raise ConnectionResetError("the peer has gone")
        except OSError:
            self.connection_lost(None)  # asyncio does not tell us when a handshake ends this way
            raise
        self.transport = self.intake.transport = transport
        self._writer._transport = transport  # type: ignore[attr-defined] # as asyncio's start_tls
        self.tls_name = transport.get_extra_info("ssl_object").version()
        self.session.host_name = None
        self._set_rset_state()
