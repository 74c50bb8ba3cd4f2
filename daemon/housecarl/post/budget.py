"""The budget of texts: how many may leave in an hour and in a day, counted as they leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from sqlite3 import Connection

from housecarl.errors import PostLater
from housecarl.journal import texts
from housecarl.journal.replies import SET_BACK, Due
from housecarl.message import google_voice

#: At most so many texts in so many seconds.
Bound = tuple[int, float]


class TooSoon(PostLater):
    """The budget is used up; `until`: when the next text may leave (seconds since 1970)."""

    def __init__(self, until: float) -> None:
        super().__init__("it waits for the budget of texts")
        self.until = until


class Budget:
    """Counts the texts that leave. The outbox plans by it; what waited for a smarthost was planned
    for hours that are over, and would leave in one burst: Google flags numbers that do that.
    """

    def __init__(self, bounds: Iterable[Bound], at_once: int) -> None:
        #: with each bound when the newest texts left: so many as it allows, behind those `at_once`
        #: on their way, each of which may come back
        self._left = [(b, deque[float](maxlen=b[0] + at_once)) for b in bounds]

    def resume(self, conn: Connection, now: float) -> None:
        """Go on with what the journal knows to have left."""
        for (most, seconds), left in self._left:
            left.extend(texts.left(conn, now - seconds, now, most))

    def take(self, due: Due, now: float) -> bool:
        """Count a reply that is about to leave; False for a mail, which uses nothing.

        Raises TooSoon. The code in a challenge is good for minutes only, and who was tried once had
        their turn (or `queue retry` gives them one): they are counted, and wait for nothing.
        """
        if not due.to.endswith(google_voice.DOMAIN):
            return False
        free = self._free_at(now)
        if free > now and due.tries == 0 and due.kind != "challenge":
            raise TooSoon(free)
        for _, left in self._left:
            left.append(now)
        return True

    def give_back(self, at: float) -> None:
        """Count one no more that was taken at that time and did not leave."""
        for _, left in self._left:
            if at in left:
                left.remove(at)

    def _free_at(self, now: float) -> float:
        """When the next text may leave; what left in the future was told by a clock ahead."""
        free = now
        for (most, seconds), left in self._left:
            if len(left) >= most and left[-most] <= now + SET_BACK:
                free = max(free, left[-most] + seconds)
        return free
