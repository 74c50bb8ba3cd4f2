"""Manners under load: how much of one person is carried out before they are left alone."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from datetime import datetime
from math import ceil
from zoneinfo import ZoneInfo

from housecarl.config import Config
from housecarl.judge import Case
from housecarl.quantity import HOUR

#: Texts in vain in a row, within NONSENSE_SECONDS, after which a person is left alone for as long.
NONSENSE = 5
NONSENSE_SECONDS = 600.0

#: Seconds by which a time may lie ahead: messages are carried beside each other and do not come
#: here in order. One further ahead is of a clock that was set back since, and counts no more.
ASTRAY = 60.0

#: A pause or a notice that answered no message.
NEVER = 0.0, ""

#: Refusals that are the sender's own slip.
_SLIPS = frozenset({"unknown-command", "bad-argument", "command-error"})


class Limits:
    """Counts what each person asks; beyond a bound there is one polite notice, then silence."""

    def __init__(self, config: Config) -> None:
        self._most = config.limits.calls_per_hour
        self._most_of = {n: rule.per_hour for n, rule in config.commands.items() if rule.per_hour}
        self._zone = ZoneInfo(config.timezone)
        self._asked: defaultdict[str, deque[float]] = defaultdict(deque)
        self._asked_for: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._slips: defaultdict[str, deque[float]] = defaultdict(deque)
        #: until when a pause, or a notice of one command, holds, and the id of the message that it
        #: answered
        self._pauses: dict[str, tuple[float, str]] = {}
        self._told_of: dict[tuple[str, str], tuple[float, str]] = {}

    def admit(self, case: Case) -> Case:
        """The case as it is, or refused: with a notice the first time, then without a word."""
        is_slip = case.reason in _SLIPS  # of a line that cannot be read there are no calls
        if not (case.calls or is_slip) or not case.person or case.doubtful:
            return case
        if case.stamp and case.stamp.door in ("job", "try"):
            return case
        now = case.now.timestamp()
        if now < self._pauses.get(case.person, NEVER)[0] <= now + HOUR + ASTRAY:
            return _refused(case, "")
        if is_slip:
            return self._slip(case, now, f"{NONSENSE} texts I do not understand")
        if case.confirmed is not None or case.word not in ("run", "confirm"):
            return case  # what a code set free was counted when the code was sent
        return self._count(case, now)

    def take_back(self, case: Case) -> None:
        """Count nothing of a message that turns out to be one that was seen before."""
        at = case.now.timestamp()
        names = {step.command.name for step in case.steps}
        for times in (
            self._asked[case.person],
            self._slips[case.person],
            *(self._asked_for[case.person, name] for name in names),
        ):
            while at in times:
                times.remove(at)
        if self._pauses.get(case.person, NEVER)[1] == case.id:
            del self._pauses[case.person]
        for notice, (_, answered) in list(self._told_of.items()):
            if answered == case.id:
                del self._told_of[notice]

    def _slip(self, case: Case, now: float, why: str) -> Case:
        """A text in vain; the fifth in a row ends with a pause."""
        slips = _within(self._slips[case.person], now, NONSENSE_SECONDS)
        slips.append(now)
        if len(slips) < NONSENSE:
            return case
        slips.clear()
        return self._pause(case, now + NONSENSE_SECONDS, why)

    def _count(self, case: Case, now: float) -> Case:
        asked, number = _within(self._asked[case.person], now, HOUR), len(case.calls)
        why = f"{self._most} commands in an hour are the most"
        left = self._most - len(asked)
        if self._most and left <= 0:
            return self._pause(case, asked[0] + HOUR, why)
        if self._most and number > left:  # of no use to anybody to be silent about the next one
            are = "is" if left == 1 else "are"
            text = f"{why}: {left} {are} left, these were {number}. Nothing was done."
            return self._slip(_refused(case, text), now, why)
        if self._most_of:
            refused = self._count_each(case, now)
            if refused is not None:
                return refused
        self._slips.pop(case.person, None)
        asked.extend([now] * number)
        return case

    def _count_each(self, case: Case, now: float) -> Case | None:
        """Count the commands that have a bound of their own; the refusal when one is met."""
        wanted = Counter(step.command.name for step in case.steps)
        for name, number in wanted.items():
            most = self._most_of.get(name, number)
            if number > most:
                why = f"{name}: {most} in an hour are the most"
                text = f"{why}. Nothing was done. These were {number}."
                return self._slip(_refused(case, text), now, why)
            again = self._full(case.person, name, number, now)
            if again is not None:
                return self._refuse_one(case, name, again, alone=len(wanted) == 1)
        for name in wanted.keys() & self._most_of.keys():
            self._asked_for[case.person, name].extend([now] * wanted[name])
        return None

    def _full(self, person: str, name: str, number: int, now: float) -> float | None:
        """Until when a person may not ask for one command so many times; None when they may."""
        most = self._most_of.get(name)
        if most is None:
            return None
        asked = _within(self._asked_for[person, name], now, HOUR)
        over = len(asked) + number - most
        return asked[over - 1] + HOUR if over > 0 else None

    def _refuse_one(self, case: Case, name: str, until: float, *, alone: bool) -> Case:
        """Say once that a command was asked for too often; each time when others stand beside it.

        Who also asked for something else must know that it was not done.
        """
        told = self._told_of.get((case.person, name), NEVER)[0] == until
        if not told:
            self._told_of[case.person, name] = until, case.id
        text = f"{name}: {self._most_of[name]} in an hour are the most. Nothing was done. "
        return _refused(case, "" if told and alone else f"{text}Again at {self._minute(until)}.")

    def _pause(self, case: Case, until: float, why: str) -> Case:
        """Say once when it goes on; nothing of this message is done."""
        self._pauses[case.person] = until, case.id
        text = f"{why}. Nothing was done. I listen again at {self._minute(until)}."
        return _refused(case, text)

    def _minute(self, until: float) -> str:
        """The first full minute at which it is over."""
        return f"{datetime.fromtimestamp(ceil(until / 60) * 60, self._zone):%H:%M}"


def _refused(case: Case, text: str) -> Case:
    """Nothing of this message is done; empty: without a word."""
    return case._replace(word="refuse", reason="limit", text=text, steps=())


def _within(times: deque[float], now: float, seconds: float) -> deque[float]:
    """The same times without those that are older, or of a clock that was ahead."""
    while times and times[0] <= now - seconds:
        times.popleft()
    while times and times[-1] > now + ASTRAY:
        times.pop()
    return times
