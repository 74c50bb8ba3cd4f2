"""Folders that come, go and are replaced: whatever happens, what is in them then is news."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.nobody import needs_root, nobody

from housecarl import folder_watch
from housecarl.folder_watch import FolderWatch
from housecarl.watch import Watch

#: Seconds until a hint that should come is missed.
PATIENCE = 10


class Folder:
    """A watched folder, looked into after each hint as the house does."""

    def __init__(self, watch: Watch, place: Path, *others: Path) -> None:
        self.place = place
        self.hinted = asyncio.Event()
        self.watched = FolderWatch(watch, [place, *others], self.hinted.set)

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
async def watch() -> AsyncIterator[Watch]:
    watch = Watch()
    await watch.start()
    yield watch
    await watch.stop()


@pytest.fixture
async def folder(watch: Watch, tmp_path: Path) -> Folder:
    folder = Folder(watch, tmp_path / "etc" / "current" / "modules")
    await folder.watched.renew()
    return folder


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


async def test_the_folder_that_holds_it_may_be_replaced(folder: Folder) -> None:
    """As by who moves the next release there, with its modules in it."""
    current = folder.place.parent
    for release in ("one", "two"):
        (current.parent / "next" / "modules").mkdir(parents=True)
        (current.parent / "next" / "modules" / f"{release}.py").write_text("")
        if current.exists():
            current.rename(current.with_name("former"))
        (current.parent / "next").rename(current)
        await folder.until(f"{release}.py")
        (folder.place / "more.py").write_text("")
        await folder.until("more.py", f"{release}.py")


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


async def test_where_a_link_leads_may_be_replaced(watch: Watch, tmp_path: Path) -> None:
    """As by who keeps modules elsewhere, links to them, and moves the next version there."""
    kept, etc = tmp_path / "kept", tmp_path / "etc"
    (kept / "modules").mkdir(parents=True)
    etc.mkdir()
    (etc / "first").symlink_to("../kept/modules")
    (etc / "modules").symlink_to("first")
    folder = Folder(watch, etc / "modules")
    await folder.watched.renew()
    for name in ("a.py", "b.py"):
        (kept / "next").mkdir()
        (kept / "next" / name).write_text("")
        (kept / "modules").rename(kept / f"before {name}")
        (kept / "next").rename(kept / "modules")
        await folder.until(name)
        (folder.place / "more.py").write_text("")
        await folder.until(name, "more.py")
    shutil.rmtree(kept / "modules")
    await folder.until()
    (kept / "modules").mkdir()
    (kept / "modules" / "c.py").write_text("")
    await folder.until("c.py")


async def test_two_names_of_one_folder_do_not_share_its_end(watch: Watch, tmp_path: Path) -> None:
    """Whichever leads elsewhere then, what the other leads to is still watched."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    links = tmp_path / "a", tmp_path / "b"
    for link in links:
        link.symlink_to("one")
    folder = Folder(watch, *links)
    await folder.watched.renew()
    for link in reversed(links):
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(link)
        await folder.until()
        (folder.place / f"{link.name}.py").write_text("")
        await folder.until(f"{link.name}.py")
    assert folder.names() == ["a.py"]


async def test_a_circle_of_links_is_no_folder(watch: Watch, tmp_path: Path) -> None:
    """Until one of them leads to one."""
    (tmp_path / "modules").symlink_to("back")
    (tmp_path / "back").symlink_to("modules")
    folder = Folder(watch, tmp_path / "modules")
    await folder.watched.renew()
    (tmp_path / "back").unlink()
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "a.py").write_text("")
    await folder.until("a.py")


@needs_root
async def test_what_is_behind_a_closed_door_keeps_nothing_from_being_watched(
    watch: Watch, tmp_path: Path
) -> None:
    (tmp_path / "inner" / "modules").mkdir(parents=True)
    tmp_path.chmod(0o700)
    watched = FolderWatch(watch, [tmp_path / "inner" / "modules"], lambda: None)
    with nobody():
        await watched.renew()


@pytest.mark.long
async def test_one_on_a_dead_mount_holds_up_no_other(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, back, links = tmp_path / "dead", threading.Event(), os.path.islink
    folder = Folder(watch, tmp_path / "well", dead)
    monkeypatch.setattr(folder_watch, "LOOK_LIMIT", 0.05)
    monkeypatch.setattr(
        os.path, "islink", lambda place: (place == dead and back.wait(20)) or links(place)
    )
    try:
        await folder.watched.renew()
        folder.place.mkdir()
        (folder.place / "a.py").write_text("")
        await folder.until("a.py")
    finally:
        back.set()
