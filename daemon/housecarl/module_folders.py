"""The folders of modules: which files there are, and which folders cannot be looked into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from housecarl.command_index import Stamp

#: beginnings of file names that are no modules: parts, hidden files, an author's tests
NOT_MODULES = ("_", ".", "test_")


class Files(NamedTuple):
    """The module files of all folders in their order, and what is wrong with which folders.

    A stamp of None cannot be read.
    """

    stamps: dict[Path, Stamp | None]
    lost: dict[str, str]


def look(folders: Iterable[Path], known: Mapping[Path, Stamp | None]) -> Files:
    """What there is now; blocks.

    Of a folder that is there and cannot be read, as when no more files may be opened, what was
    `known` stays.
    """
    files = Files({}, {})
    for folder in folders:
        try:
            paths = sorted(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError) as error:
            what = "not there" if isinstance(error, FileNotFoundError) else "no folder"
            files.lost[str(folder)] = f"{folder} is {what}; make it, or change modules.folders"
            continue
        except OSError as error:
            files.lost[str(folder)] = f"{folder} cannot be read: {error.strerror}"
            files.stamps.update(item for item in known.items() if item[0].parent == folder)
            continue
        files.stamps.update((path, _stamp(path)) for path in paths if _is_module(path.name))
    return files


def _is_module(name: str) -> bool:
    return name.endswith(".py") and not name.startswith(NOT_MODULES) and name != "conftest.py"


def _stamp(path: Path) -> Stamp | None:
    try:
        about = path.stat()
    except OSError:  # a dangling link: named as broken, tried again at every reload
        return None
    return Stamp(about.st_ctime_ns, about.st_size, about.st_ino)
