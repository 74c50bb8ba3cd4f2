"""Renames of the spool's files: soon, in order, many at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from housecarl.disk import rename
from housecarl.errors import StorageError

#: Seconds that renames gather before the disk thread is woken for all of them: waking it costs more
#: than a rename, and a message that is through by then is renamed once, new/ -> executed/; under
#: load most are.
GATHER_SECONDS = 0.1


class Renames:
    """Renames files in the thread of `disk`; `trouble` is resolved by the first that fails."""

    def __init__(self, disk: ThreadPoolExecutor) -> None:
        self.trouble: asyncio.Future[StorageError] | None = None
        self._disk = disk
        self._waiting: dict[str, tuple[str, str]] = {}
        self._gathering: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind to the loop that `add` is called in."""
        self.trouble = loop.create_future()

    def add(self, name: str, source: str, target: str) -> None:
        """Move a file from one folder into another soon; moves of one file become one."""
        before = self._waiting.get(name)
        self._waiting[name] = (before[0] if before else source, target)
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_SECONDS, self.run)

    def run(self) -> None:
        """Hand what has gathered to the disk thread."""
        if self._gathering is None:
            return
        self._gathering.cancel()
        self._gathering, waiting, self._waiting = None, self._waiting, {}
        self._disk.submit(_rename_all, waiting).add_done_callback(self._look)

    def _look(self, done: Future[None]) -> None:
        error, trouble = done.exception(), self.trouble
        if error is not None and trouble is not None:
            fault = StorageError.of(f"spool: move{_whither(error)}", error)
            trouble.get_loop().call_soon_threadsafe(_resolve, trouble, fault)


def _rename_all(waiting: dict[str, tuple[str, str]]) -> None:
    """Rename each; what is left undone after a failure is for the restart path."""
    for name, (source, target) in waiting.items():
        _rename(f"{source}/{name}", f"{target}/{name}")


def _rename(here: str, there: str) -> None:
    try:
        rename(here, there)
    except FileNotFoundError:
        # Already there: a restart repeats moves, the first of them counts.
        if Path(there).exists():
            return
        Path(there).parent.mkdir(mode=0o700, exist_ok=True)  # the first message of a month
        rename(here, there)


def _whither(error: BaseException) -> str:
    """The folder that a file could not be moved into, for the operator to look at."""
    goal = error.filename2 if isinstance(error, OSError) else None
    return f" into {Path(goal).parent}" if goal else ""


def _resolve(trouble: asyncio.Future[StorageError], fault: StorageError) -> None:
    if not trouble.done():
        trouble.set_result(fault)
