"""Manners under load: how much of one person is carried out before they are left alone."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from housecarl.config import Config
from housecarl.judge import Case

HOUR_SECONDS = 3600.0

#: Wrong commands in a row, within NONSENSE_SECONDS, after which a person is left alone for as long.
NONSENSE = 5
NONSENSE_SECONDS = 600.0

#: Refusals that are the sender's own slip.
_SLIPS = frozenset({"unknown-command", "bad-argument", "command-error"})


class Limits:
    """Counts what each person asks; beyond a bound there is one polite notice, then silence."""

    def __init__(self, config: Config) -> None:
        self._most = config.limits.calls_per_hour
        self._zone = ZoneInfo(config.timezone)
        self._asked: defaultdict[str, deque[float]] = defaultdict(deque)
        self._slips: defaultdict[str, deque[float]] = defaultdict(deque)
        self._quiet_until: dict[str, float] = {}

    def admit(self, case: Case) -> Case:
        """The case as it is, or refused: with a notice the first time, then without a word."""
        if not case.calls or not case.person or case.doubtful:
            return case
        if case.stamp and case.stamp.door in ("job", "try"):
            return case
        now = case.now.timestamp()
        if now < self._quiet_until.get(case.person, 0.0):
            return replace(case, word="refuse", reason="limit", text="", steps=())
        if case.reason in _SLIPS:
            return self._slip(case, now)
        if case.word != "run" and case.word != "confirm":
            return case
        self._slips.pop(case.person, None)
        return self._count(case, now)

    def _slip(self, case: Case, now: float) -> Case:
        slips = _within(self._slips[case.person], now, NONSENSE_SECONDS)
        slips.append(now)
        if len(slips) < NONSENSE:
            return case
        slips.clear()
        return self._pause(case, now + NONSENSE_SECONDS, f"{NONSENSE} texts I do not understand")

    def _count(self, case: Case, now: float) -> Case:
        asked = _within(self._asked[case.person], now, HOUR_SECONDS)
        if self._most and len(asked) + len(case.calls) > self._most:
            until = (asked[0] if asked else now) + HOUR_SECONDS
            return self._pause(case, until, f"{self._most} commands in an hour are the most")
        asked.extend([now] * len(case.calls))
        return case

    def _pause(self, case: Case, until: float, why: str) -> Case:
        """Say once when it goes on; nothing of this message is done."""
        self._quiet_until[case.person] = until
        clock = datetime.fromtimestamp(until, self._zone)
        text = f"{why}. Nothing was done. I listen again at {clock:%H:%M}."
        return replace(case, word="refuse", reason="limit", text=text, steps=())


def _within(times: deque[float], now: float, seconds: float) -> deque[float]:
    """The same times without those that are older."""
    while times and times[0] <= now - seconds:
        times.popleft()
    return times
