"""Times as people text them, and the clocks' changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from housecarl import when
from housecarl.errors import CommandError

DENVER = ZoneInfo("America/Denver")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("20m", 20), ("2h", 120), ("1h30m", 90), ("3d", 4320), ("5MIN", 5), ("366d", 527_040)],
)
def test_a_span_is_read(text: str, minutes: int) -> None:
    assert when.span(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "0m", "m", "20", "-5m", "1h1h", "366d1m", "20 m", "²m"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        when.span(text)


@pytest.mark.parametrize("text", ["24:00", "7", "7:60", "7:0", "١٢:٠٠"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(CommandError):
        when.clock_time(text)


def test_a_year_of_every_day_is_365_times_across_both_changes_of_the_clocks() -> None:
    for at in (time(2, 30), time(1, 30), time(7, 0), time(0, 0)):
        regular, _ = when.every(("day", f"{at:%H:%M}", "weather"))
        moment = datetime(2026, 1, 1, tzinfo=DENVER) - timedelta(seconds=1)
        seen = []
        for _ in range(365):
            moment = regular.next(moment, DENVER)
            seen.append(moment.astimezone(DENVER))
        assert len({each.date() for each in seen}) == 365
        odd = [each for each in seen if each.time() != at]
        # 2:30 does not exist on the day the clocks go forward: an hour later, once
        assert [(each.month, each.day, each.hour) for each in odd] == (
            [(3, 8, 3)] if at == time(2, 30) else []
        )
        assert all(b > a for a, b in zip(seen, seen[1:], strict=False))


@pytest.mark.parametrize("name", ["America/Nuuk", "America/Scoresbysund"])
@pytest.mark.parametrize(
    ("day", "first", "then"),
    [
        ("saturday", "Sun 29 Mar 00:30", "Sat 04 Apr 23:30"),
        ("sunday", "Sun 29 Mar 23:30", "Sun 05 Apr 23:30"),
        ("day", "Sun 29 Mar 00:30", "Sun 29 Mar 23:30"),
    ],
)
def test_a_time_that_is_left_out_before_midnight_still_belongs_to_its_day(
    name: str, day: str, first: str, then: str
) -> None:
    """In Greenland the clocks go from 23:00 on a Saturday to 0:00 on Sunday."""
    zone = ZoneInfo(name)
    regular, _ = when.every((day, "23:30", "uptime"))
    moment = datetime(2026, 3, 28, 12, tzinfo=UTC)
    for expected in (first, then):
        moment = regular.next(moment, zone)
        assert f"{moment.astimezone(zone):%a %d %b %H:%M}" == expected


def test_the_second_of_an_hour_that_comes_twice_is_the_next_time_too() -> None:
    first = datetime(2026, 11, 1, 7, 30, tzinfo=UTC)  # 1:30, summer time still
    for after, following in (
        (first - timedelta(minutes=1), first),
        (first + timedelta(minutes=15), first + timedelta(hours=1)),
        (first + timedelta(hours=1), first + timedelta(hours=25)),
    ):
        assert when.next_at(time(1, 30), after, DENVER) == following


def test_a_time_that_is_left_out_comes_once_an_hour_later() -> None:
    gone = datetime(2026, 3, 8, 9, 30, tzinfo=UTC)  # 2:30 would be; it is 3:30
    assert when.next_at(time(2, 30), gone - timedelta(hours=2), DENVER) == gone
    assert when.next_at(time(2, 30), gone, DENVER) == gone + timedelta(hours=23)


def test_a_weekday_skips_the_weekend() -> None:
    regular, rest = when.every(("weekday", "7:00", "plug", "porch", "on"))
    friday = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert regular.next(friday, ZoneInfo("UTC")) == datetime(2026, 11, 30, 7, tzinfo=UTC)
    assert rest == ("plug", "porch", "on")
    assert when.every(("weekday 7:00", "plug", "porch", "on")) == (regular, rest)


def test_a_time_in_one_word_brings_no_more_words_than_may_be_texted_again() -> None:
    """What stands behind it is one word still: else a job is noted that is over 100 words long."""
    assert when.every((f"2h {'a ' * 150}b", "on"))[1] == (f"{'a ' * 150}b", "on")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("day",), "At what time? Write day 7:00, then the command."),
        (("4m", "uptime"), "Every 5 minutes is the most often."),
    ],
)
def test_a_regular_time_that_cannot_be_is_asked_for_anew(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError) as caught:
        when.every(words)
    assert str(caught.value) == said


@pytest.mark.parametrize(("words", "minutes"), [("5m", 5), ("hour", 60), ("1d", 1440)])
def test_a_span_goes_on_from_the_last_time(words: str, minutes: int) -> None:
    """5 minutes are the shortest."""
    regular, rest = when.every((words, "plug", "lamp"))
    start = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert regular.next(start, DENVER) == start + timedelta(minutes=minutes)
    assert regular.has(start, DENVER) and rest == ("plug", "lamp")


def test_a_regular_time_without_a_command_is_a_time() -> None:
    regular, rest = when.every(("day", "7:00"))
    assert (regular.text, rest) == ("day 07:00", ())
    seven = datetime(2026, 11, 27, 14, tzinfo=UTC)
    assert regular.has(seven, DENVER) and not regular.has(seven + timedelta(minutes=1), DENVER)
