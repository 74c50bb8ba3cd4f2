"""A child process in a group of its own: started, marked, killed with all it started."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

_ENTRY = Path(__file__).with_name("process_entry.py")

#: looks in a row that find nothing, until nothing is there; seconds in which they have to
CLEAN, HUNT = 5, 3.0

#: marks the processes of one call, so that one which left the group is found at the time limit
_MARK = "HOUSECARL_CALL"
#: what a module may see of the daemon's environment: no credential ever
_ENVIRONMENT = re.compile(
    r"(PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|SSL_CERT_\w+|\w+_proxy)"
)


@dataclass(frozen=True, slots=True)
class Child:
    """The process, our ends of its two sockets, and the pipe with which it dies when we do."""

    process: subprocess.Popen[bytes]
    mark: str
    control: socket.socket
    output: socket.socket
    lifeline: int
    pidfd: int

    def kill(self) -> None:
        """Kill its group; safe as long as it was not reaped, since the number is still its own."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def kill_marked(self) -> None:
        """Kill what left the group, as a daemon does: the mark is in its environment; blocks.

        One that forks again and again is ahead of a single look, so there are several.
        """
        until = time.monotonic() + HUNT
        clean = 0
        while clean < CLEAN and time.monotonic() < until:
            clean = 0 if self._hunt() else clean + 1

    def _hunt(self) -> int:
        """One look, at the newest process first; how many were found."""
        needle, found = f"{_MARK}={self.mark}".encode(), 0
        with os.scandir("/proc") as folders:
            numbers = [int(folder.name) for folder in folders if folder.name.isdigit()]
        for number in reversed(numbers):
            with suppress(OSError):
                if needle in Path(f"/proc/{number}/environ").read_bytes().split(b"\0"):
                    os.kill(number, signal.SIGKILL)
                    found += 1
        return found

    def close(self) -> None:
        """Reap it when it has ended and give all descriptors back."""
        self.process.poll()
        self.control.close()
        self.output.close()
        os.close(self.lifeline)
        os.close(self.pidfd)


def start() -> Child:
    """Start a worker process that waits for its request; raises OSError and leaves nothing open."""
    with ExitStack() as theirs, ExitStack() as undo:
        control, their_control = _pair(undo, theirs)
        output, their_output = _pair(undo, theirs)
        their_lifeline, lifeline = os.pipe()
        theirs.callback(os.close, their_lifeline)
        undo.callback(os.close, lifeline)
        inherited = (their_control.fileno(), their_lifeline)
        mark = token_hex(8)
        process = subprocess.Popen(
            [sys.executable, "-I", str(_ENTRY), *map(str, inherited)],
            stdin=subprocess.DEVNULL,
            stdout=their_output.fileno(),
            stderr=their_output.fileno(),
            cwd="/",
            env=_environment() | {_MARK: mark},
            pass_fds=inherited,
            start_new_session=True,
        )
        pidfd = os.pidfd_open(process.pid)
        undo.pop_all()
    return Child(process, mark, control, output, lifeline, pidfd)


def _pair(ours: ExitStack, theirs: ExitStack) -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair()
    ours.callback(near.close)
    theirs.callback(far.close)
    return near, far


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if _ENVIRONMENT.fullmatch(name)}
