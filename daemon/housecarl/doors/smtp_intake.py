"""What a peer has sent and nobody has read yet: lines and bodies, in bounded memory."""

from __future__ import annotations

import asyncio

from housecarl.doors.smtp_settings import MAX_LINE

#: The only thing that ends a message (RFC 5321 4.1.1.4); every look-alike stays in the body.
END = b"\r\n.\r\n"

#: Bytes held for a reader that is busy; beyond it the peer has to wait.
HIGH_WATER = 64 * 1024


class BadLine(Exception):
    """A line that cannot be a command: too long, or not ended by CR LF."""


class Intake:
    """One peer's bytes. `fed` counts them since `forgive`; only one reader waits at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.fed = 0
        self.transport: asyncio.Transport | None = None
        self._loop = loop
        self._held = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._paused = False

    def feed(self, data: memoryview) -> None:
        """Take what has just come; `data` is copied."""
        self.fed += len(data)
        self._held += data
        if self._waiter is not None:
            self._wake()
        elif len(self._held) > HIGH_WATER and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def end(self) -> None:
        """No more will come: a reader that wants more gets ConnectionResetError."""
        self._ended = True
        self._wake()

    def forget(self) -> None:
        """Drop what came before TLS (RFC 3207 4.2); no pauses until `transport` is set."""
        self._held.clear()
        self.transport = None
        self._paused = False

    def forgive(self) -> None:
        """Count the peer's bytes from zero again."""
        self.fed = len(self._held)

    @property
    def has_line(self) -> bool:
        """Whether the next line has come already, whole."""
        return b"\n" in self._held

    async def line(self) -> str:
        """The next line without its CR LF, as Latin-1. Raises BadLine."""
        seen = 0
        while (end := self._held.find(b"\n", seen)) < 0:
            seen = len(self._held)
            if seen > MAX_LINE:
                raise BadLine("500 5.5.2 Line too long")
            await self._more()
        line = self._held[: end + 1].decode("latin-1")
        del self._held[: end + 1]
        if end >= MAX_LINE:
            raise BadLine("500 5.5.2 Line too long")
        if not line.endswith("\r\n"):
            raise BadLine("500 5.5.2 A line ends with CR LF")
        return line[:-2]

    async def body(self, limit: int) -> bytes | None:
        """The bytes up to the final dot, still dot-stuffed; None when they are more than `limit`.

        A body that is too big is dropped while it comes, so that its sender reads why.
        """
        held = self._held
        held[:0] = b"\r\n"  # the final dot may come at once, with no line before it
        seen = 0
        fits = True
        while (end := held.find(END, seen)) < 0:
            fits = fits and len(held) <= limit + len(END)
            if not fits:
                del held[: -len(END) + 1]
            seen = max(0, len(held) - len(END) + 1)
            await self._more()
        body = bytes(held[2 : end + 2]) if fits and end <= limit else None
        del held[: end + len(END)]
        return body

    async def drop(self) -> None:
        """Throw away what still comes until the peer ends; then raises ConnectionResetError."""
        while True:
            self._held.clear()
            await self._more()

    async def _more(self) -> None:
        if self._ended:
            raise ConnectionResetError("the peer has gone")
        if self._paused and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def is_clean(body: bytes) -> bool:
    """Whether there is no NUL, and CR and LF only as CR LF (RFC 5321 2.3.8)."""
    pairs = body.count(b"\r\n")
    return body.count(b"\n") == pairs == body.count(b"\r") and b"\0" not in body


def unstuffed(body: bytes) -> bytes:
    """The body without the dots its sender put before dots (RFC 5321 4.5.2)."""
    body = body[1:] if body.startswith(b".") else body
    return body.replace(b"\r\n.", b"\r\n")
