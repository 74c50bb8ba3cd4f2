"""Where a plug is: the addresses of its host, and whether two hosts are one."""

from __future__ import annotations

import asyncio
import ipaddress

from housecarl import addresses as looked_up

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
    """The addresses of a host, IPv4 first; none when DNS does not tell them in time."""
    if literal := _address(host):
        return (literal,)
    try:
        found = await looked_up.of(host, LOOKUP_SECONDS if seconds is None else seconds)
    except TimeoutError:
        return ()
    return tuple(sorted(found, key=lambda each: ":" in each))


def _address(host: str) -> str:
    """An address as it is written shortest; empty for a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""
