"""One bounded GET for JSON, and reading values out of an answer that may hold anything."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from housecarl import __version__, addresses
from housecarl.config_section import like

if TYPE_CHECKING:
    import aiohttp

#: octets of one answer: a met.no forecast has 40 KiB, Open-Meteo's 2 KiB
LARGEST = 256 * 1024

#: what an HTTP status means to somebody who waits for the weather
STATUS = {
    204: "has nothing new",
    401: "refuses our key",
    403: "refuses us",
    429: "is over its limit",
}


#: seconds that a look-up in DNS may take: longer than anybody waits for a source
LOOKUP = 10.0

#: https, or a server of this machine (tests, a proxy): never a redirect, never from a message
Server = Annotated[
    str,
    like(
        r"(https://[A-Za-z0-9_.-]+|http://(127\.0\.0\.1|\[::1\]|localhost))(:[0-9]+)?",
        "should be https:// and a host, and no path behind it",
    ),
]


class Fault(Exception):
    """A source did not help; the text goes on from its name: "is over its limit"."""


class Answer(NamedTuple):
    """What came back: 200 with data, or 304 without."""

    status: int
    data: Any
    headers: Mapping[str, str]


def connector() -> aiohttp.TCPConnector:
    """Connections whose names are looked up in threads of their own, for DNS may never answer.

    aiohttp would take the loop's own threads, which are few, and which log-ins need.
    """
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    class Aside(AbstractResolver):
        """Asks the system."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            try:
                found = await addresses.of(host, LOOKUP)
            except TimeoutError:  # aiohttp would take it for one of an answer
                found = ()
            if not found:
                raise OSError("its name leads nowhere")
            return [
                ResolveResult(
                    hostname=host,
                    host=at,
                    port=port,
                    family=socket.AF_INET6 if ":" in at else socket.AF_INET,
                    proto=socket.IPPROTO_TCP,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for at in found
            ]

        async def close(self) -> None:
            """Nothing is kept."""

    return aiohttp.TCPConnector(resolver=Aside())


async def get(
    session: aiohttp.ClientSession,
    url: str,
    params: Mapping[str, str],
    *,
    since: str = "",
    contact: str = "",
) -> Answer:
    """Ask once, follow no redirect, read at most `LARGEST` octets; raises Fault.

    `since` is the Last-Modified of what we have; `contact` is added to the User-Agent. No text of
    a Fault holds the URL, which may hold a key.
    """
    import aiohttp

    who = f"housecarl/{__version__}{f' ({contact})' if contact else ''}"
    headers = {"User-Agent": who, "Accept": "application/json", "Accept-Encoding": "identity"}
    if since:
        headers["If-Modified-Since"] = since
    try:
        async with session.get(url, params=params, headers=headers, allow_redirects=False) as heard:
            if heard.status == 304 and since:
                return Answer(304, None, heard.headers)
            if heard.status != 200:
                raise Fault(STATUS.get(heard.status, f"has trouble (HTTP {heard.status})"))
            return Answer(200, _parsed(await _body(heard)), heard.headers)
    except aiohttp.ClientConnectorError:
        raise Fault("cannot be reached") from None
    except aiohttp.ClientError:
        raise Fault("broke off its answer") from None


async def _body(heard: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for chunk in heard.content.iter_chunked(16 * 1024):
        body += chunk
        if len(body) > LARGEST:
            raise Fault("sends too much")
    return body


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Fault("sends no sense") from None


def dig(data: Any, *path: str | int) -> Any:
    """The value at a path of keys and indexes; None where there is none."""
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def number(data: Any, *path: str | int, low: float, high: float) -> float | None:
    """The number at a path when it is one and can be true (from `low` to `high`), else None."""
    value = dig(data, *path)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high else None  # no comparison holds for NaN


def text(data: Any, *path: str | int) -> str:
    """The text at a path on one line, at most 80 characters; empty where there is none."""
    value = dig(data, *path)
    return " ".join(value.split())[:80] if isinstance(value, str) else ""
