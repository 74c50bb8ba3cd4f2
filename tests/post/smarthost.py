"""A smarthost on loopback that takes mail, or misbehaves as it is told."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable
from contextlib import suppress

#: What to answer to a step (`greet ehlo auth mail rcpt data body end quit`): None is the usual;
#: "drop" closes (at `body`: when the mail has begun to come), "hang" says nothing as long as it is
#: waited for, "flood" never ends, other text is sent as it is, and "last " before it closes then.
Script = Callable[[str, str], str | None]

USUAL = {
    "greet": "220 mail.example ESMTP",
    "helo": "250 mail.example",
    "auth": "235 2.7.0 in",
    "mail": "250 2.1.0 ok",
    "rcpt": "250 2.1.5 ok",
    "data": "354 go on",
    "end": "250 2.0.0 queued",
    "rset": "250 2.0.0 ok",
    "quit": "221 2.0.0 bye",
}


class Smarthost:
    """Listens on a port of its own; `taken` are the mails it acknowledged or meant to, in order."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.logins: list[str] = []
        self.script: Script = lambda step, to: None
        self.port = 0
        self.secure: list[bool] = []
        #: seconds that it thinks before each answer
        self.slow = 0.0
        self.pipelining = True
        self.methods = "LOGIN PLAIN"
        self._tls: ssl.SSLContext | None = None
        self._implicit = False
        self._news = asyncio.Condition()
        self._writers: dict[asyncio.StreamWriter, asyncio.StreamReader] = {}
        self._server: asyncio.Server | None = None

    def use_tls(self, tls: ssl.SSLContext, *, implicit: bool) -> None:
        """Speak TLS from the first byte, or offer STARTTLS; from the next `start` on."""
        self._tls, self._implicit = tls, implicit

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", port, ssl=self._tls if self._implicit else None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self.hang_up()
            await self._server.wait_closed()
            self._server = None

    def hang_up(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something here makes `true` true."""
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(true)

    async def _told(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers[writer] = reader
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await self._told()
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._talk(reader, writer)
        del self._writers[writer]
        self.open -= 1
        writer.transport.abort()
        await self._told()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to = ""
        await self._say(writer, "greet", to)
        while line := (await reader.readline()).decode("latin-1").strip():
            verb = line.upper()[:4]
            if verb == "EHLO":
                secure = writer.get_extra_info("sslcontext") is not None
                words = ["mail.example", "8BITMIME", f"AUTH {self.methods}"]
                words += ["PIPELINING"] if self.pipelining else []
                words += ["STARTTLS"] if self._tls is not None and not secure else []
                lines = [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]
                await self._say(writer, "ehlo", to, "\r\n".join(lines))
            elif verb == "STAR" and self._tls is not None:
                writer.write(b"220 go on\r\n")
                if self.script("starttls", to) == "drop":
                    await writer.drain()
                    return
                await writer.start_tls(self._tls)
            elif verb == "AUTH":
                self.logins.append(base64.b64decode(line.split()[2]).decode())
                if line.split()[1].upper() == "LOGIN":
                    writer.write(b"334 UGFzc3dvcmQ6\r\n")
                    self.logins.append(base64.b64decode(await reader.readline()).decode())
                await self._say(writer, "auth", to)
            elif verb == "DATA":
                await self._say(writer, "data", to)
                if not (self.script("data", to) or "354").startswith("354"):
                    continue
                if self.script("body", to) == "drop":
                    await reader.readexactly(10)
                    raise ConnectionResetError
                mail = await reader.readuntil(b".\r\n")
                while mail != b".\r\n" and not mail.endswith(b"\r\n.\r\n"):
                    mail += await reader.readuntil(b".\r\n")
                if mail != b".\r\n":
                    self.taken.append((to, mail[:-3]))
                    self.secure.append(writer.get_extra_info("sslcontext") is not None)
                await self._told()
                await self._say(writer, "end", to)
            else:
                to = line[9:-1] if verb == "RCPT" else to
                await self._say(writer, verb.lower(), to)
            if verb == "QUIT":
                return

    async def _say(
        self, writer: asyncio.StreamWriter, step: str, to: str, usual: str | None = None
    ) -> None:
        answer = self.script(step, to) or usual or USUAL[step]
        if self.slow:
            await asyncio.sleep(self.slow)
        if answer == "drop":
            raise ConnectionResetError
        if answer == "hang":
            await self._writers[writer].read(-1)
            raise ConnectionResetError
        while answer == "flood":
            writer.write(b"250-more and more\r\n" * 100)
            await writer.drain()
        writer.write(answer.removeprefix("last ").encode() + b"\r\n")
        await writer.drain()
        if answer.startswith("last "):
            raise ConnectionResetError
