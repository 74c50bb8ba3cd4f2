"""Telling systemd that we are ready, alive or stopping (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time

#: Seconds that a start may take from each word of progress on, beyond what the unit allows.
EXTEND_SECONDS = 60

#: Seconds between two words of progress: few enough that none is missed.
SAY_SECONDS = 2.0


def notify(state: str) -> None:
    """Send one state such as "READY=1"; without systemd nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            # A leading @ stands for the NUL of an abstract socket.
            sock.connect("\0" + address[1:] if address.startswith("@") else address)
            sock.send(state.encode())
        except OSError:
            pass  # systemd is gone: there is nobody to tell


class Progress:
    """Has systemd wait for a start that is long because there is much to do.

    Called at every step, from any thread; says now and then what is done. One that hangs makes no
    step, and is ended in time.
    """

    def __init__(self) -> None:
        self._said = float("-inf")

    def __call__(self, doing: str) -> None:
        """A step was made; `doing` is for `systemctl status`."""
        now = time.monotonic()
        if now - self._said >= SAY_SECONDS:
            self._said = now
            notify(f"EXTEND_TIMEOUT_USEC={EXTEND_SECONDS * 1_000_000}\nSTATUS={doing}")


def watchdog_seconds() -> float | None:
    """How often to say "WATCHDOG=1": half of what the unit allows; None when it does not ask."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000


def listening() -> dict[str, list[socket.socket]]:
    """The sockets systemd opened for us by name (sd_listen_fds(3)), each a new duplicate."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    for n in range(int(os.environ.get("LISTEN_FDS", "0"))):
        name = names[n] if n < len(names) else "unknown"
        found.setdefault(name, []).append(socket.socket(fileno=os.dup(3 + n)))
    return found
