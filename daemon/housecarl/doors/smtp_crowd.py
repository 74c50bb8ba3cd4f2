"""Who is connected to the SMTP door: how many, from where, how often, and who makes room."""

from __future__ import annotations

import ipaddress
import resource
import time
from collections.abc import Callable, Hashable
from typing import Protocol

import structlog

from housecarl.doors.smtp_settings import MAX_ADDRESSES
from housecarl.doors.smtp_standing import FRUITLESS_SECONDS, Standing, Standings

#: Times `grace` that a session is safe from one of an address with a lower standing.
PATIENCE = 10.0

#: Times that an address may be turned away in so many seconds before it counts as fruitless.
TRIES, TRIES_SECONDS = 6, 2.0

#: Files that stay for all else when the system lets us open few: the journal, the smarthost, 64
#: questions to DNS, 32 commands with four pipes each.
FILES = 256

#: The addresses of this machine, which are not counted.
OWN = frozenset({"127.0.0.1", "::1"})

#: Seconds between two lines in the log that say the door is full.
QUIET_SECONDS = 10.0

log = structlog.get_logger()


class Guest(Protocol):
    """A session as the crowd sees it."""

    address: str  # of whom it is counted; "" is not counted per address
    since: float  # loop time of its start, or of its last accepted message
    excused: bool  # whether it is our doing when it has brought nothing

    @property
    def standing(self) -> Standing:
        """What it has proved or brought so far; FRUITLESS for nothing."""
        ...

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
    """The sessions that are open, at most `connections`, of one address at most `per_address`.

    A session that has brought nothing holds its place at a full door for `grace` seconds against
    others of the standing of its address, not at all against a higher one, and `PATIENCE` times as
    long against a lower one. So a slow-loris holds no place that somebody else wants, and whoever
    floods the door is behind all who do not.
    """

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
        self._tries = Rate(TRIES, now, TRIES_SECONDS)
        self._chances = Rate(1, now, FRUITLESS_SECONDS)
        self._standings = Standings(now)
        self._now = now
        self._turned_away = 0
        self._quiet_until = 0.0

    def admit(self, address: str) -> bool:
        """Whether one more may come from there and `enter`; when full, somebody leaves for it.

        Not from an address that has too many or comes too often.
        """
        if address:
            others = sum(other.address == address for other in self.guests.values())
            if others >= self._per_address:
                return False
        leaving = None
        if len(self.guests) >= self._connections:
            leaving = self._longest_useless(self._standings.of(address))
            if leaving is None:
                self._note_full(address)
                return False
        if address and not self._rate.spend(address):
            return False
        if leaving is not None:
            self._drive_out(leaving)
        return True

    def _drive_out(self, guest: Guest) -> None:
        """End a session; we may be the slow ones, so the first time is not held against anybody."""
        del self.guests[id(guest)]
        if not self._chances.spend(guest.address):
            self.remember(guest)
        guest.make_room()

    def _longest_useless(self, standing: Standing) -> Guest | None:
        """Who must leave for one of this standing: the lowest first, then the oldest."""
        now = self._now()
        found: tuple[Standing, float] | None = None
        leaving = None
        for guest in self.guests.values():
            if guest.keeps_its_place:
                continue
            its = max(self._standings.of(guest.address), guest.standing)
            safe = 0.0 if its < standing else self._grace * (1.0 if its == standing else PATIENCE)
            if guest.since + safe <= now and (found is None or (its, guest.since) < found):
                found, leaving = (its, guest.since), guest
        return leaving

    def _note_full(self, address: str) -> None:
        """Remember who only tries on and on; tell the log now and then, not once for each."""
        if not self._tries.spend(address):
            self.distrust(address)
        self._turned_away += 1
        now = self._now()
        if now >= self._quiet_until:
            log.warning("smtp-full", open=len(self.guests), turned_away=self._turned_away)
            self._turned_away = 0
            self._quiet_until = now + QUIET_SECONDS

    def distrust(self, address: str) -> None:
        """Have all others go before an address that tries on and on."""
        self._standings.note(address, Standing.FRUITLESS)

    def is_fruitless(self, address: str) -> bool:
        """Whether the last session from there brought nothing, or many were turned away."""
        return self._standings.of(address) is Standing.FRUITLESS

    def enter(self, guest: Guest) -> None:
        """Count in a session that was admitted."""
        self.guests[id(guest)] = guest

    def leave(self, guest: Guest) -> None:
        """Count a session out, and remember what it was; once more does no harm."""
        if self.guests.pop(id(guest), None) is not None:
            self.remember(guest)

    def remember(self, guest: Guest) -> None:
        """What a session is by now stands for its address."""
        if guest.standing is not Standing.FRUITLESS or not guest.excused:
            self._standings.note(guest.address, guest.standing)

    def may_send(self, guest: Guest) -> bool:
        """Whether its address may begin one more message in this minute."""
        return not guest.address or self._rate.spend(guest.address)


class Rate:
    """For each address a bucket of `rate` tokens that fills up in `seconds`; 0: no bound."""

    def __init__(self, rate: int, now: Callable[[], float], seconds: float = 60.0) -> None:
        self._rate = rate
        self._seconds = seconds
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    def spend(self, address: str) -> bool:
        """Take one token; False when none is left."""
        if not self._rate:
            return True
        now = self._now()
        left, when = self._buckets.pop(address, (float(self._rate), now))
        left = min(float(self._rate), left + (now - when) * self._rate / self._seconds)
        allowed = left >= 1.0
        self._buckets[address] = (left - 1.0 if allowed else left, now)
        if len(self._buckets) > MAX_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        return allowed


def places(wanted: int) -> int:
    """How many connections there may be: those wanted, or as many as we can open files for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY or wanted <= files - FILES:
        return wanted
    has = max(1, files - FILES)
    log.warning("smtp-fewer-connections", wanted=wanted, has=has, why=f"{files} files (ulimit -n)")
    return has


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
