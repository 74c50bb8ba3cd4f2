"""Jobs: commands for later and for regularly."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from housecarl.journal.text import words as words_in

#: Jobs one person may have waiting: more is a program, and belongs into a script.
MOST = 50


class Job(NamedTuple):
    """One command to run at `due` (seconds since 1970); `every` None: once."""

    id: int
    person: str
    text: str
    due: float
    every: str | None

    @property
    def words(self) -> tuple[str, ...]:
        """The command; none when its text is damaged, or of another version."""
        return words_in(self.text, "jobs", str(self.id))


_COLUMNS = "id, person, text, due, every"


def add(
    conn: sqlite3.Connection,
    person: str,
    text: str,
    due: float,
    every: str | None,
    receipt: str,
    created: float,
) -> int:
    """Keep a job; returns its number."""
    cursor = conn.execute(
        "INSERT INTO jobs (person, text, due, every, receipt, created, state) "
        "VALUES (?, ?, ?, ?, ?, ?, 'waiting')",
        (person, text, due, every, receipt, created),
    )
    return int(cursor.lastrowid or 0)


def waiting(conn: sqlite3.Connection, person: str | None = None) -> list[Job]:
    """The jobs still to come, soonest first; of one person or of all."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM jobs WHERE state = 'waiting' AND (? IS NULL OR person = ?) "
        "ORDER BY due, id",
        (person, person),
    )
    return [Job(**dict(row)) for row in rows]


def find(conn: sqlite3.Connection, job: int) -> Job | None:
    """One job that is still to come."""
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM jobs WHERE id = ? AND state = 'waiting'", (job,)
    ).fetchone()
    return None if row is None else Job(**dict(row))


def first(conn: sqlite3.Connection) -> Job | None:
    """The job that is due before all others."""
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM jobs WHERE state = 'waiting' ORDER BY due, id LIMIT 1"
    ).fetchone()
    return None if row is None else Job(**dict(row))


def regular(conn: sqlite3.Connection) -> list[Job]:
    """The jobs that come again."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM jobs WHERE state = 'waiting' AND every IS NOT NULL"
    )
    return [Job(**dict(row)) for row in rows]


def close(conn: sqlite3.Connection, job: int, state: str) -> bool:
    """End a job as "done", "missed" or "cancelled"; False when it had ended."""
    cursor = conn.execute(
        "UPDATE jobs SET state = ? WHERE id = ? AND state = 'waiting'", (state, job)
    )
    return cursor.rowcount > 0


def reword(conn: sqlite3.Connection, job: int, text: str) -> bool:
    """Let a job do something else when it is due; False when it had ended."""
    cursor = conn.execute(
        "UPDATE jobs SET text = ? WHERE id = ? AND state = 'waiting'", (text, job)
    )
    return cursor.rowcount > 0


def postpone(conn: sqlite3.Connection, job: int, due: float) -> None:
    """Set the next time of a regular job."""
    conn.execute("UPDATE jobs SET due = ? WHERE id = ? AND state = 'waiting'", (due, job))
