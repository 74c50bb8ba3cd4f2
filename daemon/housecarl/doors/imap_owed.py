"""What the server owes us: messages that it refused to give, and when to ask for them again."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping

#: How often a message is asked for. With the usual waits, which double from five seconds to five
#: minutes, that is 20 minutes: a server that is at work on its store has ended by then.
TRIES = 10

#: Messages that are asked for again, the rest is given up at once: all of them are written into the
#: journal each time, and who refuses that many is not troubled by some of them.
MOST = 500


class Owed:
    """UIDs of one folder; `tries` says how often each was refused, `first` and `last` the waits."""

    def __init__(self, tries: Mapping[int, int], first: float, last: float) -> None:
        self.tries = dict(tries)
        self._due = dict.fromkeys(tries, 0.0)
        self._first, self._last = first, last

    def due(self) -> list[int]:
        """Those that it is time to ask for again, in order."""
        now = time.monotonic()
        return sorted(uid for uid, at in self._due.items() if at <= now)

    def wait(self) -> float:
        """Seconds until the next of them is due; without end when there is none."""
        return max(0.0, min(self._due.values(), default=math.inf) - time.monotonic())

    def refuse(self, uid: int) -> bool:
        """Note that one was refused; False: it was for the last time, nobody will ask again."""
        times = self.tries.get(uid, 0)
        if times + 1 >= TRIES or (not times and len(self.tries) >= MOST):
            self.settle([uid])
            return False
        self.tries[uid] = times + 1
        self._due[uid] = time.monotonic() + min(self._first * 2**times, self._last)
        return True

    def settle(self, uids: Iterable[int]) -> None:
        """These are owed no more."""
        for uid in uids:
            self.tries.pop(uid, None)
            self._due.pop(uid, None)
