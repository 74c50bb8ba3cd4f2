"""A worker process: started for one call, bounded, killed with all it started, reaped."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from housecarl import module_file
from housecarl.child import start
from housecarl.errors import ModuleLater

#: bytes of what a worker process printed that are kept, the last ones; the rest is read and dropped
OUTPUT = 65_536
#: bytes of an answer; the longest reply fits with room
ANSWER = 4 << 20
#: bytes asked of the kernel at once
_CHUNK = 65_536
#: seconds to wait for the last words of a process that ended without an answer
DRAIN = 0.2
#: seconds in which the kernel ends a killed process; one that hangs in a device driver takes longer
REAP = 5.0
#: seconds that a file may take at its top level when it is tried
TRIAL = 15.0


class Limits(NamedTuple):
    """The bounds of one worker process: seconds, bytes of data, open files, bytes of a file.

    How many processes it may start is left to the unit's TasksMax: the kernel's own limit counts
    all of a user's processes, so on a desktop any number is wrong.
    """

    timeout: float = 20.0
    memory: int = 512 << 20
    files: int = 64
    file_size: int = 256 << 20


class Task(NamedTuple):
    """What to run: `attribute` of the module `name`, read from `file` (or imported when empty).

    `payload` is the pickle of (call, positional, named); None only tries the file. `source` is what
    the file held when it was loaded here; None: what it holds now.
    """

    file: str
    name: str
    attribute: str = ""
    payload: bytes | None = None
    source: bytes | None = None


class Ended(NamedTuple):
    """How it ended: the answer, or None with the reason in `how`; `output` is what it printed.

    `started` says whether there ever was a process.
    """

    answer: dict[str, Any] | None
    how: str
    output: str
    timed_out: bool = False
    started: bool = True


async def run(task: Task, limits: Limits) -> Ended:
    """Run a task in a process of its own; on return, and when cancelled, nothing of it is left."""
    try:
        worker = _Worker(task, limits)
    except OSError as error:
        return Ended(None, f"cannot start a process: {error.strerror}", "", started=False)
    timed_out = False
    try:
        async with asyncio.timeout(limits.timeout):
            await worker.talk()
    except TimeoutError:
        timed_out = True
    finally:
        await worker.end()
    return worker.ended(timed_out=timed_out)


async def try_file(path: Path, source: bytes | None = None) -> str:
    """Load a module file where it can harm nothing: its fault as "file:line: text", else "".

    `source` is what is tried in place of what the file holds now. Raises ModuleLater when there is
    no process to be had for it.
    """
    task = Task(str(path), module_file.private_name(path), source=source)
    ended = await run(task, Limits(timeout=TRIAL))
    if not ended.started:
        raise ModuleLater(ended.how)
    if ended.answer is not None:
        return str(ended.answer.get("fault", "")) if "fault" in ended.answer else f"{path}:1: lied"
    found = re.search(rf'File "{re.escape(str(path))}", line (\d+)', ended.output)
    return f"{path}:{found[1] if found else 1}: its top level {ended.how}"


class _Reader:
    """Collects the last `most` bytes that come out of a socket, and says when there is news."""

    def __init__(self, source: socket.socket, most: int, news: Callable[[], None]) -> None:
        source.setblocking(False)
        self.source = source
        self.data = bytearray()
        self.ended = False
        self._most = most
        self._news = news
        asyncio.get_running_loop().add_reader(source, self._read)

    def stop(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self.source)

    def _read(self) -> None:
        try:
            chunk = self.source.recv(_CHUNK)
        except BlockingIOError:
            return
        except ConnectionError:  # it was killed with our request unread
            chunk = b""
        self.data += chunk
        del self.data[: -self._most]
        if not chunk:
            asyncio.get_running_loop().remove_reader(self.source)
            self.ended = True
        self._news()


class _Worker:
    """One process with its control socket, its output socket and the pipe it dies with."""

    def __init__(self, task: Task, limits: Limits) -> None:
        self._limits = limits
        self._request = _request(task, limits)
        self._child = start()
        self._news = asyncio.Event()
        self._exited = False
        self._control = _Reader(self._child.control, ANSWER, self._news.set)
        self._output = _Reader(self._child.output, OUTPUT, self._news.set)
        asyncio.get_running_loop().add_reader(self._child.pidfd, self._note_exit)

    @property
    def answered(self) -> bool:
        """Whether the line it answers with is whole."""
        return self._control.data.endswith(b"\n")

    async def talk(self) -> None:
        """Hand over the request and wait for the answer or for the end of the process."""
        with suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._control.source, self._request)
        await self._until(lambda: self.answered or self._exited)
        if not self.answered:
            # the reason may still be on its way; a process it left behind may hold the sockets open
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN):
                    await self._until(lambda: self._control.ended and self._output.ended)

    async def end(self) -> None:
        """Kill the group while its leader still holds the number, then reap the leader."""
        self._child.kill()
        clearing = asyncio.ensure_future(self._clear())
        _clearings.add(clearing)
        clearing.add_done_callback(_clearings.discard)
        await asyncio.shield(clearing)

    def ended(self, *, timed_out: bool) -> Ended:
        """What came of it."""
        output = self._output.data.decode(errors="replace")
        if (answer := _parse(self._control.data)) is not None:
            return Ended(answer, "", output)
        if timed_out:
            how = f"took longer than {self._limits.timeout:g} s and was stopped"
            return Ended(None, how, output, timed_out=True)
        return Ended(None, _how(self._child.process.returncode), output)

    async def _clear(self) -> None:
        try:
            if not self.answered:
                await self._kill_marked()
            with suppress(TimeoutError):
                async with asyncio.timeout(REAP):
                    await self._until(lambda: self._exited)
        finally:
            asyncio.get_running_loop().remove_reader(self._child.pidfd)
            self._control.stop()
            self._output.stop()
            self._child.close()

    async def _kill_marked(self) -> None:
        try:
            await asyncio.to_thread(self._child.kill_marked)
        except RuntimeError:
            # it has left no room for a thread (TasksMax): a pause is better than its going on
            self._child.kill_marked()

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            self._news.clear()
            await self._news.wait()

    def _note_exit(self) -> None:
        asyncio.get_running_loop().remove_reader(self._child.pidfd)
        self._exited = True
        self._news.set()


#: tasks that reap after a cancelled call; the loop itself holds them only weakly
_clearings: set[asyncio.Future[None]] = set()


def _request(task: Task, limits: Limits) -> bytes:
    request = task._asdict() | limits._asdict() | {"path": sys.path}
    data = pickle.dumps(request)
    return len(data).to_bytes(8, "big") + data


def _parse(data: bytearray) -> dict[str, Any] | None:
    """The answer, None when there is none or a module wrote something else in its place."""
    if not data.endswith(b"\n"):
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _how(status: int | None) -> str:
    if status is None:
        return "was killed and has not ended yet"
    if status >= 0:
        return f"ended with code {status} before it answered"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    return f"was ended by {name} before it answered"
