"""Telling systemd that we are ready, alive or stopping (sd_notify(3))."""

from __future__ import annotations

import os
import socket


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
