"""The energy a plug has counted, by day and by month, in kWh."""

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
    """Days in order of time, as far as the plug has them, up to today; months of this year."""

    days: tuple[tuple[date, float], ...] = ()
    months: tuple[tuple[int, float], ...] = ()

    def since(self, first: date) -> Sequence[tuple[date, float]]:
        """The days from `first` on."""
        return [(day, energy) for day, energy in self.days if day >= first]


async def history(device: Device, today: date, limit: float = meter.DEFAULT_MAX_WATTS) -> History:
    """This month by days, a week back at least, and this year by months; two requests at most.

    Days that are still to come, by a plug whose clock is ahead, are in no week and no month, nor is
    what counts more than a plug of at most `limit` watts can have drawn.
    """
    most = meter.most_a_day(limit)
    if isinstance(device, NewDevice):
        month = await device.month_kwh()
        if month is None or month > LONGEST_MONTH * most:
            return History()
        return History(months=((today.month, month),))
    months = {(today.year, today.month)}
    first = today - timedelta(days=WEEK - 1)
    months.add((first.year, first.month))
    days: dict[date, float] = {}
    year: Answer = {}
    for number, (in_year, month) in enumerate(sorted(months, reverse=True)):
        request: Answer = {"emeter": {"get_daystat": {"year": in_year, "month": month}}}
        if number == 0:
            request["emeter"]["get_monthstat"] = {"year": today.year}
        answer = await device.ask(request, tries=2)
        year = year or answer
        days |= {day: energy for day, energy in _days(answer) if day <= today and energy <= most}
    told = sorted(_months(year, today.year).items())
    counted = tuple(each for each in told if each[1] <= LONGEST_MONTH * most)
    return History(tuple(sorted(days.items())), counted)


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


def _months(answer: Answer, year: int) -> dict[int, float]:
    found = {}
    for entry in entries(answer, "get_monthstat", "month_list"):
        month, energy = entry.get("month"), kwh(entry)
        if entry.get("year") == year and isinstance(month, int) and energy is not None:
            found[month] = energy
    return found
