"""A command that says much, and the phone that asks for it: for stories about long answers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from housecarl.house import House
from housecarl.journal import JOURNAL, connect, people, replies
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse

MODULE = '''
"""Many words, and a thing that wants a code."""
from housecarl import Call, Reply, Risk, command


@command()
async def count(call: Call, word: str, words: int = 60) -> Reply:
    """Count: count sheep 60"""
    return Reply(" ".join(f"{word}{n}" for n in range(words)))


@command(risk=Risk.DANGER)
async def blow(call: Call, what: str) -> Reply:
    """Blow something up: blow shed"""
    return Reply(f"{what} is gone.")
'''


def module_folder(folder: Path) -> dict[str, list[str]]:
    """The module section of a house that has these commands."""
    path = folder / "talk"
    path.mkdir()
    (path / "talk.py").write_text(MODULE)
    return {"folders": [str(path)]}


def counted(word: str, words: int = 60) -> list[str]:
    """What `!count` says, word by word."""
    return [f"{word}{n}" for n in range(words)]


def words(pages: list[str]) -> list[str]:
    """The words of some pages, their numbers left out."""
    return [word for page in pages for word in page.split() if not word.startswith("(")]


def inside(house: TestHouse) -> House:
    """What is behind the doors."""
    assert house.daemon is not None and house.daemon.house is not None
    return house.daemon.house


def pass_(house: TestHouse, clock: FakeClock, seconds: float) -> None:
    """Let time pass, in the house's own loop."""

    async def move() -> None:
        clock.move(seconds)

    house.do(move())


def switch(house: TestHouse, person: str, *, on: bool) -> None:
    """What `person off` and `person on` do."""
    if on:
        house.do(inside(house).db.write(lambda conn: people.switch_on(conn, person)))
    else:
        house.do(inside(house).db.write(lambda conn: people.switch_off(conn, person, 0.0)))
    house.do(inside(house).refresh())


def queue(house: TestHouse) -> list[tuple[int, str, str | None]]:
    """The number, state and reason of each reply that `queue list` shows."""
    with closing(connect(house.spool / JOURNAL, readonly=True)) as conn:
        return [(row["id"], row["state"], row["error"]) for row in replies.queue(conn)]
