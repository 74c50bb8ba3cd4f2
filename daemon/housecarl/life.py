"""The life of a process: what tells later whether the one that wrote something down still runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


def mark() -> dict[str, float]:
    """What to write down about this process: its number, and when it began, for numbers return."""
    return {"pid": os.getpid(), "born": _born(os.getpid())}


def ours(marked: Mapping[str, Any]) -> bool:
    """Whether this very process was marked."""
    return marked.get("pid") == os.getpid() and runs(marked)


def runs(marked: Mapping[str, Any]) -> bool:
    """Whether the process that was marked still runs; False for what bears no mark."""
    try:
        return _born(int(marked["pid"])) == float(marked["born"]) > 0
    except (KeyError, TypeError, ValueError):
        return False


def _born(pid: int) -> float:
    """When a process began, seconds since 1970; 0.0 when there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0
