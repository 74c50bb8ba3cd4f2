"""Watching folders that come, go and are replaced: them, and what stands above them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from watchdog.observers.api import ObservedWatch

from housecarl.errors import Unreachable
from housecarl.thread import in_one_thread
from housecarl.watch import Watch

#: Links on the way to a folder that are followed, as Linux does; more are a circle.
MOST_LINKS = 40
#: Seconds in which the way to a folder is seen; one on a dead network mount never is.
LOOK_LIMIT = 5.0


class FolderWatch:
    """Calls `note` on the loop when something happens in some folders, or to one of them.

    A folder that is not there yet, or is another one later, is seen by what holds it, or by the
    nearest that is there above, and that one by what holds it; a link on the way to it by the
    folder in which the link stands.
    """

    def __init__(self, watch: Watch, folders: Sequence[Path], note: Callable[[], None]) -> None:
        self._watch = watch
        self._folders = folders
        self._note = note
        self._ways: list[_Way] = []
        #: the way to each folder, and what there was to watch on it
        self._seen: dict[Path, tuple[_Way, set[Path]]] = {}
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
        await asyncio.gather(*map(self._look, self._folders))
        self._ways = [way for way, _ in self._seen.values()]
        wanted = {place for _, places in self._seen.values() for place in places}
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

    async def _look(self, folder: Path) -> None:
        """See the way to a folder as it is now, and what there is to watch on it."""

        def look() -> tuple[_Way, set[Path]]:
            way = _way(folder)
            return way, set(way.places())

        with suppress(TimeoutError):  # nothing new is known of it
            self._seen[folder] = await in_one_thread(("way", folder), look, LOOK_LIMIT)

    def _told(self, place: Path, name: str) -> None:
        """Something happened under a name in a folder that is watched."""
        at = place / name
        if any(_leads_to(at, point) for way in self._ways for point in way.points()):
            self._stale.add(at)
        elif place not in {way.end for way in self._ways}:
            return
        self._note()


class _Way(NamedTuple):
    """The links on the way to a folder, and where they lead; none of these leads over a link.

    So each place has one path, and one watch, whatever the folders are called. No `end`: a circle.
    """

    links: tuple[Path, ...]
    end: Path | None

    def points(self) -> Iterator[Path]:
        """What makes it another way when it changes."""
        yield from self.links
        if self.end is not None:
            yield self.end

    def places(self) -> Iterator[Path]:
        """The folders to watch, of those that are there."""
        for link in self.links:
            yield link.parent
        if self.end is None:
            return
        if _is_folder(self.end):
            yield self.end
        yield from islice(filter(_is_folder, self.end.parents), 2)


def _way(folder: Path) -> _Way:
    links: list[Path] = []
    way = folder
    while len(links) < MOST_LINKS:
        over = (*reversed(way.parents), way)
        link = next((place for place in over if os.path.islink(place)), None)  # noqa: PTH114 - as _is_folder
        if link is None:
            return _Way(tuple(links), _plain(way))
        links.append(_plain(link))
        try:
            way = Path(link.parent, os.readlink(link), way.relative_to(link))  # noqa: PTH115 - beside islink
        except OSError:  # taken away just now
            break
    return _Way(tuple(links), None)


def _plain(path: Path) -> Path:
    """A path without `..`, which means what it says where no link stands before it."""
    return Path(os.path.normpath(path))


def _leads_to(at: Path, place: Path) -> bool:
    return at == place or at in place.parents


def _is_folder(place: Path) -> bool:
    return os.path.isdir(place)  # noqa: PTH112 - pathlib's form raises where one may not look
