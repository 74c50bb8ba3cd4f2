"""Which run a change would only repeat, and which has overtaken it."""

from __future__ import annotations

import sqlite3

import pytest

from housecarl.journal import receipts, runs
from housecarl.journal.receipts import Receipt
from housecarl.journal.runs import Run

ON = ("switch", "lamp", "on")

#: When the change is asked for that may be a repeat, and seconds within which it is one.
NOW, SAME = 1000.0, 60.0


def ran(
    conn: sqlite3.Connection,
    at: float,
    *,
    person: str = "ann",
    words: tuple[str, ...] = ON,
    risk: str = "change",
    arrived: float = NOW,
) -> None:
    """A message whose only command was begun at a time."""
    identity = f"{person}{at:.1f}{words[0]}"
    receipts.store(conn, Receipt(identity, "x", arrived, "smtp", person=person, state="executed"))
    runs.finish(conn, Run(identity, 0, words, person, risk, at, at, "done"))


def repeats(conn: sqlite3.Connection) -> bool:
    """Whether ann's asking for it now is a repeat, in a house of ann and bo."""
    asked = Run("now", 0, ON, "ann", "change", NOW)
    return runs.repeated(conn, asked, [ON], 0, ("ann", "bo"), NOW - SAME) is not None


@pytest.mark.parametrize(
    "at,so",
    [
        (NOW - SAME - 1, False),
        (NOW - SAME, True),
        (NOW - 1, True),
        (NOW + SAME, True),  # the clock was set back a little since
        (NOW + SAME + 1, False),  # ... by so much that nobody knows when that was
    ],
)
def test_a_change_of_the_last_minute_is_repeated(
    conn: sqlite3.Connection, at: float, so: bool
) -> None:
    ran(conn, at)
    assert repeats(conn) is so


@pytest.mark.parametrize(
    "person,words,risk,after,so",
    [
        ("bo", ("switch", "fan", "on"), "change", 1, False),
        ("bo", ("switch", "fan", "on"), "change", -1, True),  # before it
        ("bo", ("switch", "fan", "on"), "change", 5 * SAME, True),  # by a clock that was ahead
        ("bo", ("switch", "fan"), "look", 1, True),
        ("bo", ("open", "gate"), "change", 1, True),
        ("zoe", ("switch", "lamp", "off"), "change", 1, True),  # who is no more
        ("ann", ("open", "gate"), "change", 1, False),
        ("ann", ("open", "gate"), "look", 1, True),
    ],
)
def test_what_was_done_since_makes_it_mean_something_again(
    conn: sqlite3.Connection, person: str, words: tuple[str, ...], risk: str, after: float, so: bool
) -> None:
    ran(conn, NOW - 30)
    ran(conn, NOW - 30 + after, person=person, words=words, risk=risk)
    assert repeats(conn) is so


@pytest.mark.parametrize(
    "at,arrived,changes,so",
    [
        (NOW - 5, NOW - 9, {}, True),
        (NOW - 5, NOW - 10, {}, False),  # came at the same moment
        (NOW - 5, NOW - 11, {}, False),
        (NOW - 11, NOW - 9, {}, False),  # by a clock that was behind
        (NOW + 1, NOW - 9, {}, False),  # ... that was ahead
        (NOW - 5, NOW - 9, {"person": "bo"}, False),
        (NOW - 5, NOW - 9, {"words": ("open", "gate")}, False),
        (NOW - 5, NOW - 9, {"risk": "look"}, False),
    ],
)
def test_a_change_that_came_later_and_was_done_first_has_overtaken_it(
    conn: sqlite3.Connection, at: float, arrived: float, changes: dict[str, object], so: bool
) -> None:
    ran(conn, at, arrived=arrived, **changes)  # type: ignore[arg-type]
    asked = Run("now", 0, ("switch", "lamp", "off"), "ann", "change", NOW)
    assert runs.overtaken(conn, asked, NOW - 10) is so
