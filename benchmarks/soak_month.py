"""What a house looks like from outside at the end of a simulated month, for `benchmarks.soak`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from housecarl.journal import JOURNAL

MIB = 2**20


@dataclass(frozen=True)
class Month:
    """What a month looked like from outside; sizes in MiB, times of replies in ms.

    `bare` is what aiosmtpd by itself took for a mail meanwhile: how busy the machine was otherwise.
    """

    n: int
    messages: int
    rss: float
    workers: int
    fds: int
    threads: int
    p50: float
    p99: float
    bare: float
    wakeups: int
    journal: float
    wal: float
    files: dict[str, int]
    sweep: float


def look(process: psutil.Process, spool: Path, **measured: Any) -> Month:
    """The house as it is now, with what was `measured` while the month went by."""
    journal = spool / JOURNAL
    wal = journal.with_name(f"{journal.name}-wal")
    with process.oneshot():
        return Month(
            rss=process.memory_info().rss / MIB,
            workers=len(process.children(recursive=True)),
            fds=process.num_fds(),
            threads=process.num_threads(),
            journal=journal.stat().st_size / MIB,
            wal=wal.stat().st_size / MIB if wal.exists() else 0.0,
            files={f: sum(1 for _ in (spool / f).rglob("*.eml")) for f in ("executed", "refused")},
            **measured,
        )


def woken(process: psutil.Process) -> int:
    """Voluntary context switches of all its threads so far."""
    tasks = Path(f"/proc/{process.pid}/task")
    text = "".join((task / "status").read_text() for task in tasks.iterdir())
    return sum(map(int, re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)))
