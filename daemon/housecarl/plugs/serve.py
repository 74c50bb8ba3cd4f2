"""One firmware image on one random path for one plug, over plain HTTP, for as long as it takes."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from housecarl.plugs import place
from housecarl.plugs.image import ImageError

if TYPE_CHECKING:
    from aiohttp import web

#: bytes that the kernel holds for the plug; with its usual megabytes all would count as sent while
#: the plug has next to nothing
BUFFER = 16 * 1024
#: bytes written at once: one more than aiohttp lets pass without waiting for the plug
CHUNK = 64 * 1024 + 1
#: seconds our own look at the address may take
SELF_TEST = 5.0
#: bits two addresses must share to be one network when nothing else is configured
SAME_NETWORK = 16


@dataclass(slots=True)
class Serving:
    """What is being served: its address, and how much of it the plug was sent."""

    url: str
    size: int
    #: addresses that may fetch it
    allowed: set[str] = field(default_factory=set)
    sent: int = 0
    #: requests from elsewhere, or for something else
    refused: int = 0
    #: connections over which it was fetched
    lines: list[asyncio.Transport] = field(default_factory=list)


async def own_address(plug: str, configured: str | None = None) -> tuple[str, str]:
    """The plug's address, and ours that it can reach. Raises ImageError with what to configure."""
    found = next((each for each in await place.addresses(plug) if ":" not in each), None)
    if found is None:
        raise ImageError("no IPv4 address of it is known.")
    peer = ipaddress.IPv4Address(found)
    if configured is not None:
        return str(peer), configured
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(peer), 9))  # sends nothing, asks the route table
        except OSError:
            raise ImageError("there is no route to it.") from None
        ours = ipaddress.IPv4Address(probe.getsockname()[0])
    network = ipaddress.ip_network(f"{peer}/{SAME_NETWORK}", strict=False)
    odd = ours.is_link_local or (ours.is_loopback and not peer.is_loopback)
    if odd or ours not in network:
        raise ImageError(f"it may not reach {ours}; set serve_on in the config of firmware.")
    return str(peer), str(ours)


@asynccontextmanager
async def served(data: bytes, ours: str, plug: str) -> AsyncIterator[Serving]:
    """Serve `data` to `plug` from our address `ours`, checked by a fetch of our own first.

    Raises ImageError when the address cannot be bound or does not work from here.
    """
    from aiohttp import web

    path = f"/{secrets.token_urlsafe(18)}.bin"
    serving = Serving("", len(data), {ours})
    runner = web.ServerRunner(web.Server(_handler(data, path, serving)), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, ours, 0, backlog=4)
        try:
            await site.start()
        except OSError:
            raise ImageError(f"the file cannot be served on {ours}.") from None
        port = runner.addresses[0][1]
        serving.url = f"http://{ours}:{port}{path}"
        await _fetch_ourselves(serving)
        serving.allowed = {plug}
        serving.sent = serving.refused = 0
        yield serving
    finally:
        for line in serving.lines:
            if line.get_write_buffer_size():
                line.abort()  # what the plug has stopped reading would be kept for ever
        await runner.cleanup()


def _handler(data: bytes, path: str, serving: Serving):  # type: ignore[no-untyped-def]
    from aiohttp import web

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path != path or request.remote not in serving.allowed:
            serving.refused += 1
            return web.Response(status=404)
        if request.method not in ("GET", "HEAD"):
            serving.refused += 1
            return web.Response(status=405)
        response = web.StreamResponse()
        response.content_length = len(data)
        response.content_type = "application/octet-stream"
        response.force_close()
        await response.prepare(request)
        if request.method == "GET":
            await _write(request, response, data, serving)
        return response

    return handle


async def _write(
    request: web.BaseRequest, response: web.StreamResponse, data: bytes, serving: Serving
) -> None:
    """Write all, no faster than the plug takes it."""
    if request.transport is not None:
        serving.lines.append(request.transport)
        request.transport.set_write_buffer_limits(high=0)
        sock = request.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    for start in range(0, len(data), CHUNK):
        await response.write(data[start : start + CHUNK])
        if start + CHUNK < len(data):
            serving.sent = max(serving.sent, start + CHUNK)
    await response.write_eof()
    serving.sent = len(data)


async def _fetch_ourselves(serving: Serving) -> None:
    """The same GET a plug would send; it must bring every byte."""
    import aiohttp

    limit = aiohttp.ClientTimeout(total=SELF_TEST)
    try:
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(serving.url) as got:
            length = len(await got.read())
    except (aiohttp.ClientError, TimeoutError, OSError):
        length = 0
    if length != serving.size:
        raise ImageError("the file cannot be fetched from its address here, blocked perhaps.")
