"""Where a plug is: whether two hosts are one, though they are written otherwise."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from functools import partial

from housecarl import thread

#: seconds that a look-up in DNS may take; asked only while a plug is being flashed
LOOKUP_SECONDS = 2.0


async def same(one: str, other: str) -> bool:
    """Whether two hosts are one, by their addresses; not when DNS does not tell them."""
    if one.casefold() == other.casefold():
        return True
    if _address(one) and _address(other):
        return _address(one) == _address(other)
    both = await asyncio.gather(addresses(one), addresses(other))
    return not both[0].isdisjoint(both[1])


async def addresses(host: str) -> frozenset[str]:
    """The addresses of a host, or an address itself; none when DNS does not tell them in time."""
    if literal := _address(host):
        return frozenset({literal})
    asked = thread.apart(partial(_look_up, host))
    await asyncio.wait((asked,), timeout=LOOKUP_SECONDS)
    return asked.result() if asked.done() else frozenset()


def _address(host: str) -> str:
    """An address as it is written shortest; empty for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def _look_up(host: str) -> frozenset[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(each[4][0]) for each in found)
