"""Watched folders: what is finished or comes and goes is news, what is being written is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from housecarl.errors import Unreachable
from housecarl.watch import Watch

#: Seconds until a hint that should come is missed.
PATIENCE = 10


class Hints:
    """The names that were told, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: asyncio.Queue[str] = asyncio.Queue()

    async def next(self) -> str:
        return await asyncio.wait_for(self.told.get(), PATIENCE)


@pytest.fixture
async def hints(tmp_path: Path) -> AsyncIterator[Hints]:
    watch, hints = Watch(), Hints(tmp_path / "watched")
    hints.folder.mkdir()
    await watch.start()
    watch.add(hints.folder, hints.told.put_nowait)
    yield hints
    await watch.stop()


async def test_a_file_that_is_moved_in_from_elsewhere_is_news(hints: Hints, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("!uptime\n")
    (tmp_path / "note").rename(hints.folder / "note")
    assert await hints.next() == "note"


async def test_a_file_is_news_when_it_is_closed_and_not_before(hints: Hints) -> None:
    with (hints.folder / "slow").open("w") as slow:
        slow.write("!up")
        slow.flush()
        (hints.folder / "quick").write_text("!uptime\n")
        assert await hints.next() == "quick"
    assert await hints.next() == "slow"


async def test_a_file_that_gets_another_name_or_goes_is_news(hints: Hints) -> None:
    (hints.folder / "a.part").write_text("!uptime\n")
    assert await hints.next() == "a.part"
    (hints.folder / "a.part").rename(hints.folder / "a")
    assert await hints.next() == "a"
    (hints.folder / "a").unlink()
    assert await hints.next() == "a"


async def test_what_the_kernel_does_not_watch_is_a_sentence(tmp_path: Path) -> None:
    """A folder that went away just now; the limits of this login are told the same way."""
    watch = Watch()
    await watch.start()
    try:
        with pytest.raises(Unreachable, match=f"{tmp_path}/gone cannot be watched: No such file"):
            watch.add(tmp_path / "gone", print)
    finally:
        await watch.stop()


async def test_one_that_was_never_started_can_be_stopped() -> None:
    await Watch().stop()
