"""Where a plug is: the addresses of its host, and whether two hosts are one."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from functools import partial

from housecarl.thread import in_one_thread

#: seconds that a look-up in DNS may take which only asks whether two hosts are one
LOOKUP_SECONDS = 2.0


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
    limit = LOOKUP_SECONDS if seconds is None else seconds
    try:
        return await in_one_thread(("plug", host), partial(_look_up, host), limit)
    except TimeoutError:
        return ()


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
