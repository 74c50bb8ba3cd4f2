"""The folders of modules: which files there are, and which folders cannot be looked into."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from housecarl.command_index import Seen
from housecarl.thread import in_one_thread

#: beginnings of file names that are no modules: parts, hidden files, an author's tests
NOT_MODULES = ("_", ".", "test_")
#: seconds in which a folder tells what is in it; one on a dead network mount never does
LOOK_LIMIT = 5.0


class Files(NamedTuple):
    """The module files of all folders in their order, and what is wrong with which folders.

    One that was not seen cannot be read.
    """

    seen: dict[Path, Seen | None]
    lost: dict[str, str]


async def look(folders: Iterable[Path], known: Mapping[Path, Seen | None]) -> Files:
    """What there is now.

    Of a folder that is there and cannot be read, as when no more files may be opened or its mount
    is dead, what was `known` stays.
    """
    files = Files({}, {})
    for seen, lost in await asyncio.gather(*(_in_time(folder, known) for folder in folders)):
        files.seen.update(seen)
        files.lost.update(lost)
    return files


async def _in_time(folder: Path, known: Mapping[Path, Seen | None]) -> Files:
    try:
        return await in_one_thread(("modules", folder), partial(_look, folder), LOOK_LIMIT)
    except TimeoutError:
        why = f"it has told nothing in {LOOK_LIMIT:g} s"
    except OSError as error:
        why = error.strerror or str(error)
    former = {path: seen for path, seen in known.items() if path.parent == folder}
    return Files(former, {str(folder): f"{folder} cannot be read: {why}"})


def _look(folder: Path) -> Files:
    """What is in one folder; blocks, and raises OSError when it cannot be read."""
    try:
        paths = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "not there" if isinstance(error, FileNotFoundError) else "no folder"
        return Files({}, {str(folder): f"{folder} is {what}; make it, or change modules.folders"})
    return Files({path: _seen(path) for path in paths if is_module(path.name)}, {})


def is_module(name: str) -> bool:
    """Whether a file of that name is taken for a module."""
    return name.endswith(".py") and not name.startswith(NOT_MODULES) and name != "conftest.py"


def _seen(path: Path) -> Seen | None:
    try:
        about = path.stat()
    except OSError:  # a dangling link: named as broken, tried again at every reload
        return None
    return Seen(about.st_ctime_ns, about.st_size, about.st_ino)
