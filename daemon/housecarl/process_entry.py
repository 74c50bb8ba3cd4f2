"""What runs inside a worker process: load one module file by its path, call one function, answer.

Started as a plain script, so that nothing of housecarl is imported before the request is read. The
answer is one line of JSON on the control descriptor; standard input is empty, standard output and
error go to the operator.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import pickle
import resource
import signal
import sys
from pathlib import Path
from typing import Any

#: fcntl command of Linux (asm-generic/fcntl.h): which signal tells that a descriptor is ready
_F_SETSIG = 10
#: bytes of a trace that go to the operator's log
_LONGEST_TRACE = 8_192
#: address space per byte of data: it bounds shared memory too, which is no data, and leaves threads
#: what they reserve and do not use
_SPACE = 4
#: when memory is short the kernel ends this one first, not the daemon (proc(5): 1000 is the most)
_OOM_FIRST = "1000"
#: bytes asked of the kernel at once
_CHUNK = 65_536


def main(control: int, lifeline: int) -> None:
    """Carry out the request that waits on `control`."""
    _die_with(lifeline)
    request: dict[str, Any] = pickle.loads(_receive(control))
    os.set_inheritable(control, False)
    sys.path[:] = request["path"]
    _limit(request)
    answer = _try(request) if request["payload"] is None else _run(request)
    _send(control, answer)


def _die_with(lifeline: int) -> None:
    """Have the kernel kill this process group when the daemon's end of a pipe closes.

    No thread and no timer: it works while the module holds the interpreter or sits in C code.
    """
    os.set_inheritable(lifeline, False)
    os.set_blocking(lifeline, False)
    fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    with contextlib.suppress(BlockingIOError):
        os.read(lifeline, 1)  # nothing is ever written: a read that returns means it closed already
        os._exit(1)


def _receive(control: int) -> bytes:
    """One request: its length in eight bytes, then the pickle."""
    size, data = 0, bytearray()
    while not size or len(data) < size:
        data += (chunk := os.read(control, _CHUNK))
        if not chunk:
            os._exit(1)
        if not size and len(data) >= 8:
            size = int.from_bytes(data[:8], "big")
            del data[:8]
    return bytes(data)


def _send(control: int, answer: dict[str, Any]) -> None:
    import json

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a module may have put anything in their place
            stream.flush()
    data = json.dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(control, data) :]


def _limit(request: dict[str, Any]) -> None:
    """Bounds of the kernel's, and the stack into the output shortly before the time is up."""
    faulthandler.enable()
    seconds = request["timeout"]
    faulthandler.dump_traceback_later(max(seconds - 0.5, seconds / 2))
    for kind, bound in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, int(seconds) + 2),
        (resource.RLIMIT_DATA, request["memory"]),
        (resource.RLIMIT_AS, _SPACE * request["memory"]),
        (resource.RLIMIT_NOFILE, request["files"]),
        (resource.RLIMIT_FSIZE, request["file_size"]),
    ):
        # lower already, or forbidden by the unit's system call filter: its own limits hold
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (bound, bound))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_FIRST)


def _load(request: dict[str, Any]) -> Any:
    if not request["file"]:
        import importlib

        return importlib.import_module(request["name"])
    from housecarl import module_file

    return module_file.load(Path(request["file"]), request["name"], request["source"])


def _try(request: dict[str, Any]) -> dict[str, Any]:
    """Load a file and check its commands; the fault as "file:line: text", or ""."""
    from housecarl import module_file
    from housecarl.commands import commands_of

    path = Path(request["file"])
    try:
        for command in commands_of(_load(request), path.stem, request["file"]):
            command.prepare()
    except BaseException as error:  # noqa: BLE001  a file may raise anything, SystemExit too
        return {"fault": module_file.fault(error, path)}
    return {"fault": ""}


def _run(request: dict[str, Any]) -> dict[str, Any]:
    from housecarl.answer import answer, encode
    from housecarl.errors import CommandError, CommandFailed

    try:
        function = getattr(_load(request), request["attribute"])
        call, positional, named = pickle.loads(request["payload"])
        value = function(call, *positional, **named)
    except CommandError as error:
        state = "failed" if isinstance(error, CommandFailed) else "refused"
        return {"state": state, "text": str(error), "detail": _trace(error)}
    except BaseException as error:  # noqa: BLE001  sys.exit and Ctrl-C end the call, not more
        return {"state": "failed", "detail": _trace(error)}
    try:
        return {"state": "done", "reply": encode(answer(value))}
    except ValueError as error:
        return {"state": "failed", "unsendable": True, "detail": str(error)}
    except BaseException as error:  # noqa: BLE001  what it returned has code of its own
        return {"state": "failed", "unsendable": True, "detail": _trace(error)}


def _trace(error: BaseException) -> str:
    import traceback

    inner = error.__traceback__.tb_next if error.__traceback__ else None
    lines = traceback.format_exception(type(error), error, inner)
    return "".join(lines)[-_LONGEST_TRACE:]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
