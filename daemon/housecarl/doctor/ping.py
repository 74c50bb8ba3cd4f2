"""The right to ping: ICMP sockets without privilege, for the daemon's groups."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from pathlib import Path

from housecarl.doctor import access
from housecarl.doctor.finding import Finding, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.shipped import shipped

#: Which groups may open ICMP sockets, as "FIRST LAST"; "1 0" is none (icmp(7)).
RANGE = Path("/proc/sys/net/ipv4/ping_group_range")

#: Where install.md puts our range, so that it lasts.
KEPT = "/etc/sysctl.d/50-housecarl.conf"

PART = "ping"


async def examine(patient: Patient) -> list[Finding]:
    """Open such a socket when we are the daemon's user, else read who may."""
    if "ping" not in patient.registry.commands:
        return [skipped(PART, "there is no command ping")]
    uid = patient.uid()
    if uid == os.geteuid():
        allowed = _opens(socket.SOCK_DGRAM) or _opens(socket.SOCK_RAW)
    else:
        allowed = within(RANGE.read_text(), access.groups(uid))
    who = access.user(uid)
    if allowed:
        return [well(PART, f"{who} may ping")]
    mend = f"install -m 644 {shipped('systemd')}/housecarl.sysctl {KEPT}; sysctl -p {KEPT}"
    return [trouble(PART, f"{who} may not ping (net.ipv4.ping_group_range)", mend)]


def within(text: str, groups: Collection[int]) -> bool:
    """Whether one of the groups lies in a range as the kernel writes it."""
    first, last = (int(word) for word in text.split())
    return any(first <= group <= last for group in groups)


def _opens(kind: socket.SocketKind) -> bool:
    try:
        socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
    except OSError:
        return False
    return True
