"""What may stand between a plug and our file: it answers in the place of our server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from housecarl.plugs.serve import Serving, served

from .conftest import SIZE

#: answers one request; `body` is what our server would have sent
Between = Callable[[asyncio.StreamWriter, str, bytes], Awaitable[None]]
#: what stands in the place of `served`
Serve = Callable[[bytes, str, str], AbstractAsyncContextManager[Serving]]


async def redirect(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    plug.write(f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode())


async def portal(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    """The page of a hotspot that wants a password."""
    page = b"<html>" * 20
    plug.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))


async def unmeasured(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    plug.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)


async def cut(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    """Without a length, half a file looks like a whole one."""
    plug.write(b"HTTP/1.0 200 OK\r\n\r\n" + body[: SIZE // 2])


async def slow(plug: asyncio.StreamWriter, url: str, body: bytes) -> None:
    """Some bytes now and then, so that it never stands still, and never ends in time."""
    plug.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
    for start in range(0, len(body), 8192):
        plug.write(body[start : start + 8192])
        await plug.drain()
        await asyncio.sleep(0.1)


def through(between: Between) -> Serve:
    """What serves instead: our own server, with this before it."""

    @asynccontextmanager
    async def passed(data: bytes, ours: str, plug: str) -> AsyncIterator[Serving]:
        async with served(data, ours, plug) as serving, _standing(between, serving):
            yield serving

    return passed


def spoilt(given: str, made: str) -> Serve:
    """What serves instead: our own server, at an address that is wrong in this."""

    @asynccontextmanager
    async def passed(data: bytes, ours: str, plug: str) -> AsyncIterator[Serving]:
        async with served(data, ours, plug) as serving:
            serving.url = serving.url.replace(given, made)
            yield serving

    return passed


@asynccontextmanager
async def _standing(between: Between, serving: Serving) -> AsyncIterator[None]:
    url, open_ = serving.url, list[asyncio.StreamWriter]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        body = b"" if between in (redirect, portal) else await _fetched(url)
        try:
            await between(writer, url, body)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    serving.url = f"http://{host}:{port}/file.bin"
    try:
        yield
    finally:
        server.close()
        for writer in open_:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in open_), return_exceptions=True)


async def _fetched(url: str) -> bytes:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(url) as got:
        return await got.read()
