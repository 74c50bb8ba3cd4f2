"""Times as people text them: "20m", "22:30", "every day 7:00", in the house's time zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import NamedTuple
from zoneinfo import ZoneInfo

from housecarl.errors import CommandError

#: The longest "in ..." (a year: longer ones are forgotten by whoever asked).
LONGEST = timedelta(days=366)

#: The shortest "every ..." (5 min: a watch is the better means for less).
SHORTEST_EVERY = timedelta(minutes=5)

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

#: Which weekdays (0 is Monday) a word stands for.
_WORDS: dict[str, frozenset[int]] = {
    "day": frozenset(range(7)),
    "weekday": frozenset(range(5)),
    "weekend": frozenset((5, 6)),
    **{name: frozenset((n,)) for n, name in enumerate(DAYS)},
    **{name[:3]: frozenset((n,)) for n, name in enumerate(DAYS)},
}

_SPAN = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m(?:in)?)?", re.I)
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:.]([0-5]\d)")


def span(text: str, such: str = "20m, 2h or 3d") -> timedelta:
    """A time span: 20m, 2h, 1h30m, 3d; raises CommandError for the sender, who can write `such`."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise CommandError(f"{text[:20]} is no time span. Write {such}.")
    days, hours, minutes = (int(group or 0) for group in match.groups())
    found = timedelta(days=days, hours=hours, minutes=minutes)
    if not timedelta() < found <= LONGEST:
        raise CommandError("The time span must be above 0 and at most a year.")
    return found


def clock_time(text: str) -> time:
    """A time of the day: 7:00, 22:30; raises CommandError for the sender."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise CommandError(f"{text[:20]} is no time. Write 7:00 or 22:30.")
    return time(int(match[1]), int(match[2]))


def on(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local time as a moment.

    A time that the change to summer time leaves out is an hour later; one that comes twice in
    autumn is the first of the two.
    """
    return datetime.combine(day, at, zone).astimezone(UTC)


def next_at(at: time, after: datetime, zone: ZoneInfo) -> datetime:
    """The next moment at which the house's clocks show `at`; in autumn also the second of two."""
    times = at, at.replace(fold=1)
    moments = (on(day, each, zone) for day in _days(after, zone) for each in times)
    return next(moment for moment in moments if moment > after)


def _days(after: datetime, zone: ZoneInfo) -> Iterator[date]:
    """The days on which the next time may be, from the one before on.

    Where the change leaves out the end of a day, a time of that day comes when it is over.
    """
    today = after.astimezone(zone).date()
    return (today + timedelta(days=n) for n in count(-1))


class Every(NamedTuple):
    """A regular time: weekdays (0 is Monday) at a local time, or a span after the last time."""

    text: str
    days: frozenset[int] = frozenset()
    at: time = time()
    span: timedelta | None = None

    def next(self, after: datetime, zone: ZoneInfo) -> datetime:
        """The first time after `after`, whatever the clocks do in between."""
        if self.span is not None:
            return after + self.span
        days = (day for day in _days(after, zone) if day.weekday() in self.days)
        moments = (on(day, self.at, zone) for day in days)
        return next(moment for moment in moments if moment > after)

    def has(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether `at` is one of its times; not when it was planned in another time zone."""
        return self.span is not None or self.next(at - timedelta(seconds=1), zone) == at


def every(words: tuple[str, ...]) -> tuple[Every, tuple[str, ...]]:
    """The regular time that words begin with, and the words behind it.

    "day 7:00", "weekday 7:00", "monday 7:00", "hour", "30m"; raises CommandError for the sender.
    "day 7:00" may be one word, as in a house whose words are not parted by blanks.
    """
    words = (*words[0].split(maxsplit=1), *words[1:]) if words else ()
    first = words[0].casefold() if words else ""
    if first in _WORDS:
        if len(words) < 2:
            raise CommandError(f"At what time? Write {first} 7:00, then the command.")
        at = clock_time(words[1])
        return Every(f"{first} {at:%H:%M}", _WORDS[first], at), words[2:]
    found = timedelta(hours=1) if first == "hour" else span(first, "day 7:00, monday 7:00 or 2h")
    if found < SHORTEST_EVERY:
        raise CommandError("Every 5 minutes is the most often.")
    return Every(first, span=found), words[1:]
