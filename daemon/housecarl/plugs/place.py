"""Where a plug is: the addresses of its host, and whether two hosts are one."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from functools import partial
from weakref import WeakKeyDictionary

from housecarl.thread import once

#: seconds that a look-up in DNS may take which only asks whether two hosts are one
LOOKUP_SECONDS = 2.0

Asked = dict[str, asyncio.Future[tuple[str, ...]]]

#: look-ups by host
_asked: WeakKeyDictionary[asyncio.AbstractEventLoop, Asked] = WeakKeyDictionary()


async def same(one: str, other: str) -> bool:
    """Whether two hosts are one, by their addresses; not when DNS does not tell them."""
    if one.casefold() == other.casefold():
        return True
    if _address(one) and _address(other):
        return _address(one) == _address(other)
    both = await asyncio.gather(addresses(one), addresses(other))
    return not set(both[0]).isdisjoint(both[1])


async def addresses(host: str, seconds: float | None = None) -> tuple[str, ...]:
    """The addresses of a host, IPv4 first; none when DNS does not tell them in time.

    Looked up in a thread of its own: a dead DNS holds up nobody else.
    """
    if literal := _address(host):
        return (literal,)
    known = _asked.setdefault(asyncio.get_running_loop(), {})
    limit = LOOKUP_SECONDS if seconds is None else seconds
    return await once(known, host, partial(_look_up, host), limit) or ()


def _address(host: str) -> str:
    """An address as it is written shortest; empty for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def _look_up(host: str) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    found.sort(key=lambda each: each[0] is not socket.AF_INET)
    return tuple(str(each[4][0]) for each in found)
