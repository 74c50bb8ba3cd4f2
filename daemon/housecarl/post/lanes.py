"""The replies in hand: one lane per person, in order, and which of them the journal still shows."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from housecarl.journal.replies import Due

#: A reply that was taken, by its number and its mail: the words of one that waits may change.
Taken = tuple[int, bytes]


class Lanes:
    """What was read from the journal and is not settled there yet.

    The journal is read beside what is being sent, so its answer can be older than what happened
    since: what is settled during a look stays known until that look is over.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Due]] = {}
        self._ready: deque[str] = deque()
        self._known: set[int] = set()
        self._held: set[str] = set()
        self._settled: set[int] = set()
        self._looking = False
        self._freed: set[str] = set()

    @property
    def known(self) -> int:
        """How many replies a look may return that are no news."""
        return len(self._known)

    @property
    def ready(self) -> int:
        """How many people have a reply that nobody is sending."""
        return len(self._ready)

    @property
    def empty(self) -> bool:
        """Whether nothing is in hand, not even a reply on its way."""
        return not self._lanes

    def look(self) -> None:
        """The journal is about to be read: its word counts again for all that was settled."""
        self._looking = True
        self._held -= self._freed
        self._freed.clear()

    def looked(self) -> None:
        """What the journal said was added: the next look knows what was settled meanwhile."""
        self._looking = False
        self._known -= self._settled
        self._settled.clear()

    def add(self, due: Due) -> None:
        """Take one reply in hand, behind the person's others; known ones are no news."""
        if due.id in self._known or due.person in self._held:
            return
        self._known.add(due.id)
        lane = self._lanes.get(due.person)
        if lane is None:
            self._lanes[due.person] = deque((due,))
            self._ready.append(due.person)
        else:
            lane.append(due)

    def next(self) -> Due | None:
        """The reply to send now; the person's others wait until `done` or `hold`."""
        return self._lanes[self._ready.popleft()][0] if self._ready else None

    def done(self, due: Due) -> None:
        """It was taken or refused: the person's next one may go."""
        lane = self._lanes[due.person]
        lane.popleft()
        if lane:
            self._ready.append(due.person)
        else:
            del self._lanes[due.person]

    def back(self, due: Due) -> None:
        """It was tried in vain by no fault of its own: it stays first, behind the other people."""
        self._lanes[due.person][0] = due
        self._ready.append(due.person)

    def hold(self, due: Due) -> list[int]:
        """It must wait, and the person's later ones with it: let go of them all, ids returned."""
        self._held.add(due.person)
        return [one.id for one in self._lanes.pop(due.person)]

    def settle(self, ids: Iterable[int], person: str | None = None) -> None:
        """The outcome of `ids` is in the journal; `person` if that was a `hold`."""
        if self._looking:
            self._settled.update(ids)
        else:
            self._known.difference_update(ids)
        if person is not None:
            self._freed.add(person)

    @property
    def ids(self) -> list[int]:
        """Every reply in hand."""
        return [one.id for lane in self._lanes.values() for one in lane]

    def forget(self, gone: Collection[int]) -> None:
        """Let go of those that are over; one on its way is no longer to be stopped."""
        for person, lane in list(self._lanes.items()) if gone else ():
            on_its_way = [] if person in self._ready else [lane.popleft()]
            kept = on_its_way + [one for one in lane if one.id not in gone]
            self.settle(one.id for one in lane if one.id in gone)
            if kept:
                self._lanes[person] = deque(kept)
            else:
                del self._lanes[person]
                self._ready.remove(person)

    def overdue(self, before: float) -> list[Due]:
        """Take out of hand what was created at `before` or earlier and is not on its way."""
        found = []
        for person in [
            person for person in self._ready if self._lanes[person][0].created <= before
        ]:
            lane = self._lanes[person]
            while lane and lane[0].created <= before:
                found.append(lane.popleft())
            if not lane:
                del self._lanes[person]
                self._ready.remove(person)
        return found
