"""Who blocks the loop: a thread that looks while commands run, and sleeps when none does."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

log = structlog.get_logger()

#: seconds without a turn of the loop before the command is named
BLOCKED = 2.0


class LoopWatch:
    """Names the command and the line that holds up the loop; must be made in that loop's thread.

    While no command is watched the thread waits without a timer, so an idle daemon is not woken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, blocked: float = BLOCKED) -> None:
        self._loop = loop
        self._blocked = blocked
        self._loop_thread = threading.get_ident()
        self._watched: Counter[tuple[str, str]] = Counter()
        self._changed = threading.Condition()
        self._stopped = False
        #: whether the thread waits for work: only then is it worth waking
        self._asleep = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, name: str, file: str) -> Iterator[None]:
        """Look while the block runs; `file` is where the code of command `name` stands."""
        self._start()
        with self._changed:
            self._watched[name, file] += 1
            if self._asleep:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched[name, file] -= 1
                if not self._watched[name, file]:
                    del self._watched[name, file]

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._look, name="loop-watch", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        while self._wait_for_work():
            turned = threading.Event()
            try:
                self._loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # the loop is closed
                return
            if not turned.wait(self._blocked):
                self._report()
                turned.wait()  # said once for each time it is blocked
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, self._blocked / 2)

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._asleep = True
            self._changed.wait_for(lambda: self._stopped or bool(self._watched))
            self._asleep = False
            return not self._stopped

    def _report(self) -> None:
        frame = sys._current_frames().get(self._loop_thread)
        with self._changed:
            watched = list(self._watched)
        names, at = _blame(frame, watched)
        log.warning("loop blocked", command=names, at=at, seconds=self._blocked)


def _blame(frame: FrameType | None, watched: list[tuple[str, str]]) -> tuple[str, str]:
    """The command whose file is innermost on the stack and the line there; else all that run."""
    innermost = frame
    files = {file: name for name, file in watched}
    while frame is not None:
        file = frame.f_code.co_filename
        if file in files:
            return files[file], f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    where = f"{innermost.f_code.co_filename}:{innermost.f_lineno}" if innermost else "unknown"
    return ", ".join(sorted(files.values())), where
