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


async def test_a_folder_behind_a_link_is_watched_where_the_link_leads(tmp_path: Path) -> None:
    """A spool on another disk, say: what is put into it must be taken."""
    watch, hints = Watch(), Hints(tmp_path / "linked")
    (tmp_path / "real").mkdir()
    hints.folder.symlink_to("real")
    await watch.start()
    try:
        watch.add(hints.folder, hints.told.put_nowait)
        (hints.folder / "note").write_text("!uptime\n")
        assert await hints.next() == "note"
    finally:
        await watch.stop()


async def test_links_and_folders_are_news_where_they_count(tmp_path: Path) -> None:
    """They are whole once they are there; a file is not, before it is closed."""
    watch, hints = Watch(), Hints(tmp_path / "watched")
    hints.folder.mkdir()
    await watch.start()
    try:
        watched = watch.add(hints.folder, hints.told.put_nowait, links=True)
        (tmp_path / "file").write_text("x")
        with (hints.folder / "slow").open("w"):
            (hints.folder / "soft").symlink_to(tmp_path / "file")
            assert await hints.next() == "soft"
            (hints.folder / "hard").hardlink_to(tmp_path / "file")
            assert await hints.next() == "hard"
            (hints.folder / "below").mkdir()
            assert await hints.next() == "below"
            (hints.folder / "below").rename(tmp_path / "away")
            assert await hints.next() == "below"
        assert await hints.next() == "slow"
        await watch.remove(watched)
        (hints.folder / "more").write_text("x")
        watch.add(hints.folder, hints.told.put_nowait)
        (hints.folder / "last").write_text("x")
        assert await hints.next() == "last"
    finally:
        await watch.stop()
