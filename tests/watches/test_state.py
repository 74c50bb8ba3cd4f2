"""What is found becomes news: late enough to be true, once, and not at night."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from housecarl.watches import within
from housecarl.watches.sentence import say
from housecarl.watches.state import Finding, News, Rule, State, step

RULE = Rule(after=60.0)
BAD = Finding("host.nas", "nas", False, "no answer", RULE)
WELL = Finding("host.nas", "nas", True, "", RULE)
UNKNOWN = Finding("host.nas", "nas", None, "", RULE)


def told(*looks: tuple[float, Finding, bool]) -> list[str]:
    """The news that looks bring: each is a time, what was found, and whether it is night."""
    state, words = State(), list[str]()
    for now, found, quiet in looks:
        state, news = step(state, found, now, quiet)
        state = State.read(state.stored()) if state.stored() else state  # a restart between all
        words.append(news.word if news else "-")
    return words


def test_trouble_is_told_once_it_has_lasted_and_once_more_when_it_is_over() -> None:
    looks = ((0, BAD), (59, BAD), (60, BAD), (90, BAD), (100, WELL), (159, WELL), (160, WELL))
    words = told(*((now, found, False) for now, found in looks), (300, WELL, False))
    assert words == ["-", "-", "trouble", "-", "-", "-", "well", "-"]


def test_trouble_that_is_older_than_the_first_look_has_lasted_since_then() -> None:
    older = Finding("door.imap", "mailbox", False, "cut", RULE, since=-50.0)
    ahead = Finding("door.imap", "mailbox", False, "cut", RULE, since=500.0)
    assert told((0, older, False), (10, older, False)) == ["-", "trouble"]
    assert told((0, ahead, False), (59, ahead, False), (60, ahead, False)) == ["-", "-", "trouble"]


def test_a_clock_that_was_ahead_delays_neither_trouble_nor_its_end() -> None:
    """What seemed to begin then has begun now, when the clock is set back."""
    day = 86400.0
    looks = ((day, BAD), (0, BAD), (59, BAD), (60, BAD), (day, WELL), (100, WELL), (160, WELL))
    words = told(*((now, found, False) for now, found in looks))
    assert words == ["-", "-", "-", "trouble", "-", "-", "well"]


def test_trouble_told_by_a_clock_that_was_ahead_is_not_over_before_it_began() -> None:
    state, _ = step(State(since=500.0, told=True, ripe=True), WELL, 0.0, False)
    assert step(state, WELL, 60.0, False)[1] == News("well", 0.0, 0.0, "")


@pytest.mark.parametrize(
    ("known", "first", "last"),
    [
        (False, BAD, "nas: no answer, since 00:00 with breaks."),
        (False, WELL, "nas: no answer, from 00:00 to 06:59 with breaks. It is well again."),
        (True, WELL, "nas is well again since 06:59, after 6 h 59 min with breaks."),
    ],
)
def test_what_was_well_for_most_of_a_night_is_not_told_as_wrong_all_night(
    known: bool, first: Finding, last: str
) -> None:
    """Only the quiet hours kept it from being told; it said that it had lasted since midnight."""
    state, zone = State(), ZoneInfo("UTC")
    looks = [(0.0, BAD), (60.0, BAD), (120.0, WELL), (3600.0, WELL), (6.95 * 3600, BAD)]
    for now, found in looks:
        state, _ = step(state, found, now, quiet=not (known and found is BAD))
        state = State.read(state.stored()) if state.stored() else state
    state, _ = step(state, first, 7 * 3600 - 60.0, quiet=True)
    state, news = step(state, first, 7 * 3600.0, quiet=False)
    assert news is not None
    assert say(first, news, datetime.fromtimestamp(7 * 3600, UTC), zone) == last


def test_what_was_well_for_a_moment_is_told_without_breaks() -> None:
    state, news = State(), None
    for now, found in ((0.0, BAD), (60.0, BAD), (120.0, WELL), (179.0, BAD), (400.0, BAD)):
        state, news = step(state, found, now, quiet=now < 400)
    assert news == News("trouble", 0.0, 400.0, "no answer")


def test_what_could_not_be_told_changes_nothing() -> None:
    looks = ((0, BAD), (30, UNKNOWN), (60, BAD), (70, UNKNOWN), (80, WELL), (100, UNKNOWN))
    words = told(*((now, found, False) for now, found in looks), (140, WELL, False))
    assert words == ["-", "-", "trouble", "-", "-", "-", "well"]


def test_a_night_holds_both_trouble_and_its_end() -> None:
    assert told((0, BAD, True), (60, BAD, True), (90, BAD, False)) == ["-", "-", "trouble"]
    over = (
        (0, BAD, True),
        (60, BAD, True),
        (90, WELL, True),
        (150, WELL, True),
        (151, WELL, False),
    )
    assert told(*over) == ["-", "-", "-", "-", "past"]
    again = ((0, BAD, False), (60, BAD, False), (90, WELL, True), (150, WELL, True))
    assert told(*again, (200, BAD, True), (400, BAD, False)) == ["-", "trouble", *["-"] * 4]


def test_what_is_short_at_night_is_never_told() -> None:
    assert told((0, BAD, True), (59, BAD, True), (60, WELL, True), (900, WELL, False)) == ["-"] * 4


def test_urgent_trouble_and_its_end_are_told_at_night() -> None:
    bad = Finding("host.nas", "nas", False, "no answer", Rule(60.0, urgent=True))
    well = Finding("host.nas", "nas", True, "", Rule(60.0, urgent=True))
    assert told((0, bad, True), (60, bad, True), (70, well, True), (130, well, True)) == [
        "-",
        "trouble",
        "-",
        "well",
    ]


def test_what_cannot_be_told_while_it_lasts_is_told_afterwards() -> None:
    bad = Finding("post", "post", False, "refused", Rule(60.0, afterwards=True))
    well = Finding("post", "post", True, "", Rule(60.0, afterwards=True))
    words = told((0, bad, False), (60, bad, False), (90, well, False), (150, well, False))
    assert words == ["-", "-", "-", "past"]


def test_a_state_of_another_version_is_a_fresh_one() -> None:
    stored: tuple[Any, ...] = (None, {}, [], {"since": "x", "told": 1, "well": None, "text": ""})
    for value in stored:
        assert State.read(value) == State()


ZONE = ZoneInfo("America/Denver")
NOON = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "since", "over", "sentence"),
    [
        ("trouble", -60, 0, "nas: no answer, since 11:59."),
        ("trouble", -86400, 0, "nas: no answer, since 22 Nov 12:00."),
        ("well", -3600, -60, "nas is well again since 11:59, after 59 min."),
        ("past", -7200, -60, "nas: no answer, from 10:00 to 11:59. It is well again."),
    ],
)
def test_sentences_show_the_houses_time(word: str, since: int, over: int, sentence: str) -> None:
    now = NOON.timestamp()
    news = News(word, now + since, now + over, "no answer")  # type: ignore[arg-type]
    assert say(BAD, news, NOON, ZONE) == sentence


@pytest.mark.parametrize(
    ("at", "begin", "end", "inside"),
    [
        (time(23), time(22), time(7), True),
        (time(6, 59), time(22), time(7), True),
        (time(7), time(22), time(7), False),
        (time(12), time(22), time(7), False),
        (time(13), time(12), time(14), True),
        (time(14), time(12), time(14), False),
        (time(12), time(12), time(12), False),
    ],
)
def test_quiet_hours_may_cross_midnight(at: time, begin: time, end: time, inside: bool) -> None:
    assert within(at, begin, end) is inside
