"""Whether the smarthost takes mail, and how long to leave it alone when it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from random import random
from sqlite3 import Connection

from housecarl.journal import values

#: Whose value in the journal an outage is; no module has such a name.
MODULE = "_post"

#: What the note of one has.
FIELDS = frozenset({"host", "since", "until", "error", "tries"})

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


def ends(conn: Connection) -> float:
    """When the smarthost is tried again, as the journal keeps it (seconds since 1970); else 0."""
    until = values.notes(conn, MODULE, FIELDS).get("outage", {}).get("until")
    return float(until) if isinstance(until, int | float) else 0.0


class State(Enum):
    """What is known of the smarthost; all but one connection are kept from it until it is WELL."""

    UNTRIED = auto()
    AWAY = auto()
    #: it has taken a mail after a failure, and others still wait
    BACK = auto()
    WELL = auto()


@dataclass(slots=True)
class Outage:
    """Whether the smarthost `host` takes mail at all; `since` is None while it does.

    Only one connection may try until it has taken one, and after a failure until nothing waits any
    more: who has just got up is not to be overrun. The journal keeps an outage, so that a restart
    is no reason to knock earlier; another smarthost in the config is one.
    """

    host: str
    draw: Callable[[], float] = field(default=random, repr=False)
    since: datetime | None = None
    until: datetime | None = None
    error: str = ""
    tries: int = 0
    state: State = State.UNTRIED

    @property
    def alone(self) -> bool:
        """Whether one connection is all it should see."""
        return self.state is not State.WELL

    @property
    def in_doubt(self) -> bool:
        """Whether it has taken nothing yet, or nothing since it failed."""
        return self.state is State.UNTRIED or self.state is State.AWAY

    def fail(self, now: datetime, error: str) -> bool:
        """Note a failure; True when it is the first. Connections that fail together are one."""
        self.error = error
        self.state = State.AWAY
        if self.lasts(now):
            return False
        first = self.since is None
        self.since = self.since or now
        self.tries += 1
        self.until = now + pause(self.tries, self.draw)
        return first

    def look(self) -> None:
        """Let one connection try now, whatever the pause; the next failure doubles that as ever."""
        self.until = None

    def mend(self) -> None:
        """Note a mail that was taken by who was in doubt."""
        self.since, self.until, self.tries = None, None, 0
        self.state = State.WELL if self.state is State.UNTRIED else State.BACK

    def emptied(self) -> None:
        """Note that nothing waits any more after a mail that was taken."""
        self.state = State.WELL

    def lasts(self, now: datetime) -> bool:
        """Whether nothing should be tried at `now`; a clock that was set back prolongs no pause."""
        return self.until is not None and now < self.until <= now + LONGEST

    def kept(self) -> Callable[[Connection], None]:
        """What writes it into the journal as it is now, or the end of it."""
        if self.since is None or self.until is None:
            return lambda conn: values.put(conn, MODULE, "outage", None, 0.0)
        since, until = self.since.timestamp(), self.until.timestamp()
        note = {"host": self.host, "since": since, "until": until}
        note |= {"error": self.error, "tries": self.tries}
        return lambda conn: values.put(conn, MODULE, "outage", note, since)

    def resume(self, conn: Connection) -> None:
        """Go on with the outage that the journal keeps."""
        note = values.notes(conn, MODULE, FIELDS).get("outage")
        if note is None or note["host"] != self.host:
            return
        try:
            since, until = (datetime.fromtimestamp(note[key], UTC) for key in ("since", "until"))
        except (ValueError, TypeError, OverflowError, OSError):
            return  # damaged: the smarthost is asked, and says how it is
        self.since, self.until = since, until
        self.error, self.tries, self.state = note["error"], note["tries"], State.AWAY
