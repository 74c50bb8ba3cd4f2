"""A house, ann's phone and a clock: the moves that stories about time are made of."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from tests.stories.talk import inside, pass_

from housecarl.house import House
from housecarl.journal import conditions
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import PATIENCE, TestHouse
from housecarl.testing.phone import Phone

#: Seconds of a minute.
MINUTE = 60.0


class Home:
    """Moves the clock in the house's own loop and waits until the watchman sleeps again."""

    def __init__(self, house: TestHouse, clock: FakeClock) -> None:
        self.house = house
        self.clock = clock
        self.phone: Phone = house.phone()
        self.phone.text("!uptime")  # so that the house knows how ann is reached
        self.phone.wait()

    @property
    def inside(self) -> House:
        """What is behind the doors."""
        return inside(self.house)

    def pass_(self, minutes: float) -> None:
        """Let time pass, in the house's own loop."""
        pass_(self.house, self.clock, minutes * MINUTE)
        self.settle()

    def set(self, hour: int, minute: int = 0, day: int = 23) -> None:
        """Let it be a time of November 2026."""

        async def do() -> None:
            self.clock.set(datetime(2026, 11, day, hour, minute, tzinfo=UTC))

        self.house.do(do())
        self.settle()

    def tell(self, name: str, ok: bool, text: str = "") -> None:
        """A part of the house says how it is, as a door does."""
        self.house.do(self.inside.tell(name, ok, text))
        self.settle()

    def settle(self) -> None:
        """Wait until the watchman has looked at what it was woken for, and sleeps again."""
        watchman = self.inside.watchman
        self.house.until(lambda: watchman.asleep)

    def parts(self) -> dict[str, bool]:
        """Every part of the house that said how it is, and whether that is well."""
        found = self.house.do(self.inside.db.read(conditions.listing))
        return {each.name: each.ok for each in found}

    def wait_for(self, name: str, *, ok: bool) -> None:
        """Wait until a part says by itself how it is; TimeoutError when it does not."""
        end = time.monotonic() + PATIENCE
        while self.parts().get(name) is not ok:
            if time.monotonic() > end:
                raise TimeoutError(f"{name}: {self.parts()}")
            time.sleep(0.005)  # the processor is theirs who are waited for
        self.settle()

    def restart(self) -> None:
        """Stop the house and start it again."""
        self.house.stop()
        self.house.start()
        self.settle()
