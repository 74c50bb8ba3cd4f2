"""Meter sense over time: a meter that goes wrong is told once, and once more when it is well."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any, NamedTuple

from housecarl.plugs.meter import Judgement

#: good readings in a row after which a wrong meter is believed again
WELL_AFTER = 10
#: kWh a counter may seem to fall by rounding
COUNTER_SLACK = 0.01


class Memory(NamedTuple):
    """What is remembered of one meter; kept as JSON."""

    wrong: bool = False
    #: good readings since it went wrong
    good: int = 0
    #: what it counted the last time, and the time before
    total_kwh: float | None = None
    former_kwh: float | None = None
    #: times that its counter fell; by how many kWh the last time, and on which day (ISO 8601)
    resets: int = 0
    fell: float = 0.0
    fell_on: str = ""
    #: of the plug that the meter is in; empty when it tells none
    mac: str = ""

    @classmethod
    def read(cls, value: Any, mac: str = "") -> Memory:
        """From what was stored; a fresh one when that is nothing of ours, or of another plug.

        What former versions kept besides is left out.
        """
        try:
            found = cls(**{key: value[key] for key in cls._fields if key in value})
        except TypeError:
            return cls(mac=mac)
        if mac and found.mac not in ("", mac):
            return cls(mac=mac, resets=found.resets)  # each one goes on having its own number
        return found._replace(mac=mac or found.mac)

    def fell_lately(self, today: date) -> bool:
        """Whether its counter fell today or yesterday.

        So long that is found, for it may have to wait for the end of quiet hours, or for a restart.
        """
        return self.fell_on in (str(today), str(today - timedelta(days=1)))

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return self._asdict()


class Sensed(NamedTuple):
    """A judgement over time: `news` is well, reset or empty; `why` the meter is wrong."""

    memory: Memory
    news: str = ""
    why: str = ""


def sense(memory: Memory, judgement: Judgement, today: date) -> Sensed:
    """What one more judgement means, after what is remembered."""
    why = judgement.fault
    total = judgement.reading.total_kwh
    known = total is not None and 0 <= total < math.inf
    after = memory._replace(total_kwh=total, former_kwh=memory.total_kwh) if known else memory
    if why is not None:
        return Sensed(after._replace(wrong=True, good=0), why=why)
    if memory.wrong:
        if judgement.watts is None:
            return Sensed(after)  # says nothing, so it is not well either
        good = memory.good + 1
        if good >= WELL_AFTER:
            return Sensed(after._replace(wrong=False, good=0), "well")
        return Sensed(after._replace(good=good))
    if known and memory.total_kwh is not None and total is not None:
        fell = memory.total_kwh - total
        former = memory.former_kwh
        if former is not None and 0 < former <= total < memory.total_kwh:
            return Sensed(after._replace(former_kwh=memory.former_kwh))  # the last one was not true
        if fell > COUNTER_SLACK:
            resets = memory.resets + 1
            return Sensed(after._replace(resets=resets, fell=fell, fell_on=str(today)), "reset")
    return Sensed(after)
