"""A `try` that is cut off: the journal says so, whoever ended it, and nobody is sent that."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
from tests.cli.forked import Forked, Forker

from housecarl.cli import journal
from housecarl.config_file import load
from housecarl.journal import receipts, replies, runs
from housecarl.testing.house import TestHouse

MODULE = """\
import asyncio
from pathlib import Path

from housecarl import Call, Risk, command


@command(risk=Risk.{risk}, timeout=60)
async def {name}(call: Call) -> str:
    \"\"\"Say that it began, and never end.\"\"\"
    Path(__file__).with_name("begun").write_text("begun")
    await asyncio.Event().wait()
    return "Never."
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TestHouse]:
    """A house with a change and a look that never end, and say through a pipe that they began."""
    mine = tmp_path / "mine"
    mine.mkdir()
    os.mkfifo(mine / "begun")
    for name, risk in (("shut", "CHANGE"), ("watch", "LOOK")):
        (mine / f"{name}.py").write_text(MODULE.format(name=name, risk=risk))
    with TestHouse(tmp_path, modules={"folders": ["mine"]}) as opened:
        yield opened


@contextmanager
def begun(house: TestHouse, verbs: Forker, word: str) -> Iterator[tuple[TextIO, Forked]]:
    """A `try` of a command that is in the middle of it, and what it says as errors."""
    words = ("-c", house.folder / "housecarl.yaml", "try", word, "--as", "ann")
    with verbs.beside(*words) as (errors, verb):
        assert (house.folder / "mine" / "begun").read_text() == "begun"
        yield errors, verb


def ends(house: TestHouse) -> list[tuple[str, list[str | None]]]:
    """The state of each message in the journal, and the outcomes of its runs; no reply to any."""
    loaded = load(house.folder / "housecarl.yaml")

    def read(conn: sqlite3.Connection) -> list[tuple[str, list[str | None]]]:
        found = receipts.listing(conn, limit=9)
        assert all(replies.of(conn, each.id) == [] for each in found)
        return [(each.state, [run.outcome for run in runs.of(conn, each.id)]) for each in found]

    return journal.read(loaded, read)


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, marks=pytest.mark.long),
    ],
)
def test_a_change_that_is_ended_is_interrupted(
    house: TestHouse, verbs: Forker, number: signal.Signals
) -> None:
    """Whoever typed it reads that; the look before it is no rest that was not run."""
    with begun(house, verbs, "uptime\n!shut") as (errors, verb):
        assert ends(house) == [("started", [None])]
        verb.send_signal(number)
        assert (verb.wait(), ends(house)) == (1, [("executed", ["interrupted"])])
        said = errors.read()
    assert said.startswith("shut was interrupted. It may have been done. Log "), said
    assert len(said.splitlines()) == 1


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM]
)
def test_a_look_that_is_ended_leaves_nothing(
    house: TestHouse, verbs: Forker, number: signal.Signals
) -> None:
    with begun(house, verbs, "watch") as (errors, verb):
        verb.send_signal(number)
        assert (verb.wait(), errors.read().strip(), ends(house)) == (1, "Aborted!", [])


def test_a_change_that_was_killed_is_interrupted_at_the_next_start(
    house: TestHouse, verbs: Forker
) -> None:
    with begun(house, verbs, "shut") as (_, verb):
        verb.send_signal(signal.SIGKILL)
        verb.wait()
    assert ends(house) == [("started", [None])]
    house.stop()
    house.start()
    assert ends(house) == [("executed", ["interrupted"])]


def test_a_start_leaves_alone_what_another_process_is_at(house: TestHouse, verbs: Forker) -> None:
    with begun(house, verbs, "shut") as (_, verb):
        house.stop()
        house.start()
        assert ends(house) == [("started", [None])]
        verb.send_signal(signal.SIGTERM)
        verb.wait()
    assert ends(house) == [("executed", ["interrupted"])]
