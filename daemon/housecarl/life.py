"""The life of a process: what tells later whether the one that wrote something down still runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def mark() -> dict[str, Any]:
    """What to write down about this process: its number, and when it began, for numbers return."""
    return {"pid": os.getpid(), "born": _born(os.getpid())}


def ours(marked: Mapping[str, Any]) -> bool:
    """Whether this very process was marked."""
    return marked.get("pid") == os.getpid() and runs(marked)


def runs(marked: Mapping[str, Any]) -> bool:
    """Whether the process that was marked still runs; False for what bears no mark."""
    try:
        return bool(marked["born"] == _born(int(marked["pid"])) != "")
    except (KeyError, TypeError, ValueError):
        return False


def _born(pid: int) -> str:
    """The boot that a process belongs to and its clock tick in it; empty when there is none.

    Not a time of day: that moves whenever the clock is set.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    # field 22, counted behind the name, which may hold spaces and brackets
    return f"{boot} {stat.rpartition(')')[2].split()[19]}"
