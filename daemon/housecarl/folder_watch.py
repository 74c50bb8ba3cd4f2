"""Watching folders that come, go and are replaced: them, and what stands above them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from watchdog.observers.api import ObservedWatch

from housecarl.errors import Unreachable
from housecarl.watch import Watch


class FolderWatch:
    """Calls `note` on the loop when something happens in some folders, or to one of them.

    A folder that is not there yet, or is another one later, is seen by what holds it, or by the
    nearest that is there above; a link on the way to it by the folder in which the link stands.
    """

    def __init__(self, watch: Watch, folders: Sequence[Path], note: Callable[[], None]) -> None:
        self._watch = watch
        self._folders = folders
        self._note = note
        self._watched: dict[Path, ObservedWatch] = {}
        #: what was made, moved or removed on the way to a folder: what is watched there is another
        self._stale: set[Path] = set()
        self._lock = asyncio.Lock()

    async def renew(self) -> None:
        """Watch what there is now; raises Unreachable when the kernel watches no more."""
        async with self._lock:
            while await self._renew_once() or self._stale:
                pass  # what came before its watch was there was not seen

    async def _renew_once(self) -> bool:
        """Exchange the watches that have to be; whether there is a new one."""
        stale, self._stale = self._stale, set()
        wanted = await asyncio.to_thread(lambda: set(self._places()))
        for place in list(self._watched):
            if place not in wanted or any(_leads_to(at, place) for at in stale):
                await self._watch.remove(self._watched.pop(place))
        new = wanted - self._watched.keys()
        for place in new:
            try:
                told = partial(self._told, place)
                self._watched[place] = self._watch.add(place, told, links=True)
            except Unreachable:
                if _is_folder(place):
                    raise
        return bool(new)

    def _places(self) -> Iterator[Path]:
        """The folders to watch, of those that are there."""
        for folder in self._folders:
            if _is_folder(folder):
                yield folder
            yield next(place for place in folder.parents if _is_folder(place))
            for place in folder.parents:
                if place.is_symlink():
                    yield place.parent

    def _told(self, place: Path, name: str) -> None:
        """Something happened under a name in a folder that is watched."""
        at = place / name
        if any(_leads_to(at, folder) for folder in self._folders):
            self._stale.add(at)
        elif place not in self._folders:
            return
        self._note()


def _leads_to(at: Path, place: Path) -> bool:
    return at == place or at in place.parents


def _is_folder(place: Path) -> bool:
    return os.path.isdir(place)  # noqa: PTH112 - pathlib's form raises where one may not look
