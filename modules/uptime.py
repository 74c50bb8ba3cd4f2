"""Say how long the house has been up, and how busy it is."""

import os
import time
from functools import cache
from pathlib import Path

from housecarl import Call, Reply, command

#: of this process; its own folder stays readable where ProcSubset=pid hides the rest of /proc
STAT = Path("/proc/self/stat")
MEMORY = Path("/proc/meminfo")
#: bytes of /proc/meminfo that hold the first three of its lines, which are all that is needed
HEAD = 256
#: minutes in an hour and in a day
HOUR, DAY = 60, 24 * 60


@command()
async def uptime(call: Call) -> Reply:
    """Say how long the house has been up: uptime

    Since its computer started: load of the last minute, memory in use, disk in use; then
    how long housecarl has been running.
    """
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    facts = [("Up", _span(up)), ("Load", _load()), ("Memory", _memory()), ("Disk", _disk())]
    shown = {name: value for name, value in facts if value}
    words = {"Up": "up", "Load": "load", "Memory": "mem", "Disk": "disk"}
    first = ", ".join(f"{words[name]} {value}" for name, value in shown.items())
    since = _span(up - _started())
    return Reply(
        f"{call.house.name[:40]} {first}. housecarl up {since}.",
        rows=[*shown.items(), ("housecarl up", since)],
    )


def _span(seconds: float) -> str:
    """The two largest parts: 12 d 4 h, 4 h 7 min, 7 min; under a minute: 42 s."""
    minutes = int(seconds // 60)
    if minutes >= DAY:
        return f"{minutes // DAY} d {minutes % DAY // HOUR} h"
    if minutes >= HOUR:
        return f"{minutes // HOUR} h {minutes % HOUR} min"
    return f"{minutes} min" if minutes else f"{max(0, int(seconds))} s"


def _load() -> str:
    try:
        return f"{os.getloadavg()[0]:.2f}"
    except OSError:
        return ""


def _memory(path: Path = MEMORY) -> str:
    """Memory that programs could not have, percent; empty where the kernel does not tell."""
    try:
        descriptor = os.open(path, os.O_RDONLY)  # a file object takes as long as all the rest
        try:
            head = os.read(descriptor, HEAD).split()
        finally:
            os.close(descriptor)
        total = int(head[head.index(b"MemTotal:") + 1])
        free = int(head[head.index(b"MemAvailable:") + 1])
    except (OSError, ValueError, IndexError):
        return ""
    return f"{round(100 * (total - free) / total)}%" if total else ""


def _disk(path: str = "/") -> str:
    """The root file system as df counts it, percent; any other might be a dead network mount."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return ""
    used = disk.f_blocks - disk.f_bfree
    room = used + disk.f_bavail
    return f"{round(100 * used / room)}%" if room else ""


@cache
def _started() -> float:
    """When this process started, seconds since boot (proc(5): field 22, in clock ticks)."""
    fields = STAT.read_bytes().rpartition(b")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")
