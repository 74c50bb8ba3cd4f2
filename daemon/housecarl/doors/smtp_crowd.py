"""Who is connected to the SMTP door: how many, from where, how often, and who makes room."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Hashable
from typing import Protocol

import structlog

#: Addresses whose rate is remembered; the oldest are forgotten first.
MAX_ADDRESSES = 4096

#: The addresses of this machine, which are not counted.
OWN = frozenset({"127.0.0.1", "::1"})

#: Seconds between two lines in the log that say the door is full.
QUIET_SECONDS = 10.0

log = structlog.get_logger()


class Guest(Protocol):
    """A session as the crowd sees it."""

    address: str  # of whom it is counted; "" is not counted per address
    since: float  # loop time of its start, or of its last accepted message

    @property
    def keeps_its_place(self) -> bool:
        """Whether it is known or is being served just now."""
        ...

    def make_room(self) -> None:
        """End at once."""
        ...

    def finish(self, reply: str) -> None:
        """End with this reply, after what is being stored."""
        ...


class Crowd:
    """The sessions that are open, at most `connections`, of one address at most `per_address`."""

    def __init__(
        self,
        connections: int,
        per_address: int,
        rate: int,
        grace: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.guests: dict[Hashable, Guest] = {}
        self._connections = connections
        self._per_address = per_address
        self._grace = grace
        self._rate = Rate(rate, now)
        self._now = now
        self._turned_away = 0
        self._quiet_until = 0.0

    def has_room(self) -> bool:
        """Whether one more may come; when full, whoever has brought nothing for longest leaves.

        A slow-loris can so hold no place for longer than `grace` while somebody else wants it.
        """
        if len(self.guests) < self._connections:
            return True
        before = self._now() - self._grace
        idle = [
            guest
            for guest in self.guests.values()
            if guest.since <= before and not guest.keeps_its_place
        ]
        if not idle:
            self._note_full()
            return False
        oldest = min(idle, key=lambda guest: guest.since)
        self.leave(oldest)
        oldest.make_room()
        return True

    def _note_full(self) -> None:
        """Tell the log now and then, not once for each of a thousand."""
        self._turned_away += 1
        now = self._now()
        if now >= self._quiet_until:
            log.warning("smtp-full", open=len(self.guests), turned_away=self._turned_away)
            self._turned_away = 0
            self._quiet_until = now + QUIET_SECONDS

    def enter(self, guest: Guest) -> bool:
        """Count a session in, unless its address has too many or comes too often."""
        address = guest.address
        if address:
            others = sum(other.address == address for other in self.guests.values())
            if others >= self._per_address or not self._rate.spend(address):
                return False
        if not self.has_room():
            return False
        self.guests[id(guest)] = guest
        return True

    def leave(self, guest: Guest) -> None:
        """Count a session out; once more does no harm."""
        self.guests.pop(id(guest), None)

    def may_send(self, guest: Guest) -> bool:
        """Whether its address may begin one more message in this minute."""
        return not guest.address or self._rate.spend(guest.address)


class Rate:
    """For each address a bucket of `rate` tokens that fills up in a minute; 0: no bound."""

    def __init__(self, rate: int, now: Callable[[], float]) -> None:
        self._rate = rate
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, address: str) -> bool:
        """Take one token; False when none is left."""
        if not self._rate:
            return True
        now = self._now()
        left, when = self._buckets.pop(address, (float(self._rate), now))
        left = min(float(self._rate), left + (now - when) * self._rate / 60.0)
        allowed = left >= 1.0
        self._buckets[address] = (left - 1.0 if allowed else left, now)
        if len(self._buckets) > MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        return allowed


def counted(host: str) -> str:
    """What a peer is counted by: "" for 127.0.0.1 and ::1, the /64 of IPv6, else its address.

    Who uses a tunnel or a relay of this machine comes from those two and is not counted as one;
    127.0.0.2 is whoever chose it.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""  # a Unix socket: this machine
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return counted(str(address.ipv4_mapped))
        if str(address) not in OWN:
            return str(ipaddress.ip_network((address, 64), strict=False))
    return "" if str(address) in OWN else str(address)
