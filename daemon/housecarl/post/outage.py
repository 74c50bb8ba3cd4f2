"""Whether the smarthost takes mail, and how long to leave it alone when it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import random

#: The first wait after a failure; a restarting mail host is back by then.
FIRST = timedelta(minutes=1)
#: The longest wait: what a person still accepts between "it works again" and the answers.
LONGEST = timedelta(minutes=30)


def pause(tries: int, draw: Callable[[], float] = random) -> timedelta:
    """How long to wait after failure number `tries`, from 1: doubling, a quarter of it by chance.

    Chance keeps many houses from knocking at the same smarthost in the same second.
    """
    doublings: int = 2 ** min(max(tries, 1) - 1, 16)
    whole = min(FIRST * doublings, LONGEST)
    return whole * (0.75 + 0.25 * draw())


@dataclass(slots=True)
class Outage:
    """Whether the smarthost takes mail at all; `since` is None while it does.

    Until it has taken one (`proven`), only one connection may try.
    """

    draw: Callable[[], float] = field(default=random, repr=False)
    since: datetime | None = None
    until: datetime | None = None
    error: str = ""
    tries: int = 0
    proven: bool = False

    def fail(self, now: datetime, error: str, tries: int = 0) -> bool:
        """Note a failure; True when it is the first. `tries` goes on with the journal's count."""
        first = self.since is None
        self.since = self.since or now
        self.tries = max(self.tries, tries) + 1
        self.until = now + pause(self.tries, self.draw)
        self.error = error
        self.proven = False
        return first

    def mend(self) -> None:
        """Note a mail that was taken."""
        self.since, self.until, self.tries = None, None, 0
        self.proven = True

    def lasts(self, now: datetime) -> bool:
        """Whether nothing should be tried at `now`; a clock that was set back prolongs no pause."""
        return self.until is not None and now < self.until <= now + LONGEST


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the post gets: how many replies wait, since when it is down, why, its next try."""

    waiting: int
    down_since: datetime | None
    error: str
    next_try: datetime | None
