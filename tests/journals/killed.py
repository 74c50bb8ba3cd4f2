"""Kills a process with -9 at each statement of a migration: `python -m tests.journals.killed FILE`.

Prints JSON, one line for each statement and one for the life that is not killed: what the journal
holds then, and what it holds once it was opened again. Forked: a start for each would take long.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.journals.keep import tables

from housecarl.journal import connect


def live(path: Path, deadly: int) -> None:
    """Open the journal as the daemon does; killed when that statement of it begins."""
    count = itertools.count(1)

    def trace(_: str) -> None:
        if next(count) == deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    plain = sqlite3.connect

    def traced(*given: object, **more: object) -> sqlite3.Connection:
        conn: sqlite3.Connection = plain(*given, **more)  # type: ignore[call-overload]
        conn.set_trace_callback(trace)
        return conn

    sqlite3.connect = traced  # type: ignore[assignment]
    connect(path).close()
    sqlite3.connect = plain  # what measures the tests writes its data with SQLite too


def look(path: Path) -> tuple[int, int, int, str]:
    """Its version, its tables, its rows, and what SQLite says of the file."""
    with closing(sqlite3.connect(path)) as conn:
        version = conn.execute("PRAGMA user_version").fetchone()[0]
        found = tables(conn)
        whole = conn.execute("PRAGMA integrity_check").fetchone()[0]
    return version, len(found), sum(map(len, found.values())), whole


def main(kept: Path) -> None:
    """Print one line for each statement."""
    for deadly in itertools.count(1):
        path = kept.with_name(f"{deadly}.sqlite")
        shutil.copy(kept, path)
        child = os.fork()
        if child == 0:
            live(path, deadly)
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        left = look(path)
        connect(path).close()
        print(json.dumps({"killed": killed, "left": left, "again": look(path)}))  # noqa: T201
        if not killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
