"""Folders that come, go and are replaced: whatever happens, what is in them then is news."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from housecarl.folder_watch import FolderWatch
from housecarl.watch import Watch

#: Seconds until a hint that should come is missed.
PATIENCE = 10


class Folder:
    """A watched folder, looked into after each hint as the house does."""

    def __init__(self, watch: Watch, place: Path) -> None:
        self.place = place
        self.hinted = asyncio.Event()
        self.watched = FolderWatch(watch, [place], self.hinted.set)

    async def until(self, *names: str) -> None:
        """Wait until a look after a hint finds just these."""
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.hinted.wait()
                self.hinted.clear()
                await self.watched.renew()
                if self.names() == sorted(names):
                    return

    def names(self) -> list[str]:
        return sorted(each.name for each in self.place.glob("*"))


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    watch = Watch()
    await watch.start()
    folder = Folder(watch, tmp_path / "etc" / "current" / "modules")
    await folder.watched.renew()
    yield folder
    await watch.stop()


async def test_one_that_is_made_later_is_watched_from_then_on(folder: Folder) -> None:
    folder.place.mkdir(parents=True)
    (folder.place / "a.py").write_text("")
    await folder.until("a.py")
    (folder.place / "b.py").write_text("")
    await folder.until("a.py", "b.py")


async def test_one_that_is_moved_away_or_removed_is_missed_and_the_next_is_watched(
    folder: Folder,
) -> None:
    for name in ("a.py", "b.py"):
        folder.place.mkdir(parents=True)
        (folder.place / name).write_text("")
        await folder.until(name)
        if name == "a.py":
            folder.place.rename(folder.place.parent / "former")
        else:
            shutil.rmtree(folder.place)
        await folder.until()
    folder.place.mkdir()
    (folder.place / "c.py").write_text("")
    await folder.until("c.py")
    (folder.place / "d.py").write_text("")
    await folder.until("c.py", "d.py")


async def test_a_link_on_the_way_that_leads_elsewhere_is_followed(folder: Folder) -> None:
    """As when a release is rolled out: `ln -sfn releases/2 current`."""
    etc = folder.place.parents[1]
    for release in ("one", "two"):
        (etc / release / "modules").mkdir(parents=True)
        (etc / release / "modules" / f"{release}.py").write_text("")
        (etc / "next").symlink_to(release)
        (etc / "next").rename(folder.place.parent)
        await folder.until(f"{release}.py")
        (folder.place / "more.py").write_text("")
        await folder.until(f"{release}.py", "more.py")
