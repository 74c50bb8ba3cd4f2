"""When a reply has waited too long, by a clock that may be set meanwhile."""

from __future__ import annotations

from housecarl.clock import Clock


class Expiry:
    """Replies are given up after `give_up` seconds.

    A machine without a clock chip starts with the time of its last stop. What was made in this life
    before its clock was set is as old as that, whatever its date says.
    """

    def __init__(self, clock: Clock, give_up: float) -> None:
        self._clock = clock
        self._give_up = give_up
        self._began = clock.now().timestamp()
        self._doubted = False
        self._set_at = float("-inf")

    def before(self) -> float:
        """What was made then or earlier is too old. To be asked often: it looks at the clock."""
        now = self._clock.now().timestamp()
        old = now - self._give_up
        if not self._clock.synchronised():
            self._doubted = True
        elif self._doubted:
            self._doubted, self._set_at = False, now
        return min(old, self._began - 1.0) if self._doubted or old < self._set_at else old
