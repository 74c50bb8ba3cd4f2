"""The energy a plug has counted, by days where it tells them, in kWh."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from housecarl.plugs import meter
from housecarl.plugs.device import Device, entries, kwh
from housecarl.plugs.tapo import NewDevice
from housecarl.plugs.wire import Answer

#: days of a week, today included
WEEK = 7
#: days of the longest month
LONGEST_MONTH = 31


class History(NamedTuple):
    """Days in order of time, as far as the plug has them, up to today.

    A newer plug tells its month only.
    """

    days: tuple[tuple[date, float], ...] = ()
    month: float | None = None

    def since(self, first: date) -> Sequence[tuple[date, float]]:
        """The days from `first` on."""
        return [(day, energy) for day, energy in self.days if day >= first]


async def history(device: Device, today: date, limit: float = meter.DEFAULT_MAX_WATTS) -> History:
    """This month by days, a week back at least; two requests at most.

    Days that are still to come, by a plug whose clock is ahead, are left out, and so is what counts
    more than a plug of at most `limit` watts can have drawn. What the plug counts by months has
    both in it, and is not asked for.
    """
    most = meter.most_a_day(limit)
    if isinstance(device, NewDevice):
        month = await device.month_kwh()
        return History(month=month if month is not None and month <= LONGEST_MONTH * most else None)
    first = today - timedelta(days=WEEK - 1)
    days: dict[date, float] = {}
    for year, number in {(today.year, today.month), (first.year, first.month)}:
        request: Answer = {"emeter": {"get_daystat": {"year": year, "month": number}}}
        answer = await device.ask(request, tries=2)
        days |= {day: energy for day, energy in _days(answer) if day <= today and energy <= most}
    return History(tuple(sorted(days.items())))


def _days(answer: Answer) -> list[tuple[date, float]]:
    found = []
    for entry in entries(answer, "get_daystat", "day_list"):
        try:
            day = date(entry["year"], entry["month"], entry["day"])
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        energy = kwh(entry)
        if energy is not None:
            found.append((day, energy))
    return found
