"""The past: what is forgotten when it is old enough, a little at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from housecarl.journal.codes import STEP_SECONDS

#: Rows of one kind forgotten in one transaction: some milliseconds, so that nobody waits behind it.
#: Ids are random, so a row is a page or two, and these fit into SQLite's cache of 2 MB.
CHUNK = 100

#: Of each kind those that are old enough; of the many, only the oldest are looked at. The last job
#: stays, for its number: else the next one would be told, cancelled and kept by that again.
_OLD = (
    "DELETE FROM wrong_codes WHERE rowid IN "
    "(SELECT rowid FROM wrong_codes WHERE at < :before LIMIT :chunk)",
    "DELETE FROM jobs WHERE id IN "
    "(SELECT id FROM jobs WHERE created < :before AND state <> 'waiting' "
    "AND id < (SELECT max(id) FROM jobs) LIMIT :chunk)",
    "DELETE FROM codes WHERE id IN "
    "(SELECT id FROM codes WHERE created < :before AND state <> 'waiting' LIMIT :chunk)",
    "DELETE FROM events WHERE id IN (SELECT id FROM "
    "(SELECT id, at FROM events ORDER BY id LIMIT :chunk) WHERE at < :before)",
    "DELETE FROM replies WHERE id IN (SELECT id FROM "
    "(SELECT id, created, state FROM replies ORDER BY id LIMIT :chunk) "
    "WHERE created < :before AND state <> 'waiting')",
)


def forget(conn: sqlite3.Connection, before: float) -> int:
    """Forget the oldest messages that arrived before a time, with their runs and replies.

    Returns how many were forgotten; call again until it is 0. What is still open stays.
    """
    ids = [
        (row[0],)
        for row in conn.execute(
            "SELECT id FROM receipts WHERE arrived < ? AND state NOT IN ('waiting', 'started') "
            "ORDER BY arrived LIMIT ?",
            (before, CHUNK),
        )
    ]
    for statement in (
        "DELETE FROM runs WHERE receipt = ?",
        "DELETE FROM replies WHERE receipt = ? AND state <> 'waiting'",
        "DELETE FROM receipts WHERE id = ?",
    ):
        conn.executemany(statement, ids)
    return len(ids)


def forget_rest(conn: sqlite3.Connection, before: float, keys_before: float) -> int:
    """Forget old keys, readings, events, ended jobs, codes, alerts and replies left alone.

    Returns how many rows were forgotten; call again until it is 0.
    """
    gone = conn.execute(
        "DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE at < ? LIMIT ?)",
        (keys_before, CHUNK),
    ).rowcount
    gone += conn.execute(
        "DELETE FROM totp_steps WHERE step < ?", (int(keys_before) // STEP_SECONDS,)
    ).rowcount
    for statement in _OLD:
        gone += conn.execute(statement, {"before": before, "chunk": CHUNK}).rowcount
    for module, series in list(_series(conn)):
        gone += conn.execute(
            "DELETE FROM readings WHERE module = :module AND series = :series AND at IN (SELECT at "
            "FROM readings WHERE module = :module AND series = :series AND at < :before LIMIT :n)",
            {"module": module, "series": series, "before": before, "n": CHUNK},
        ).rowcount
    return gone


def used_bytes(conn: sqlite3.Connection) -> int:
    """Bytes of the journal that hold something; SQLite uses the rest again."""
    pages, free, size = (
        int(conn.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def oldest(conn: sqlite3.Connection, share: float) -> float | None:
    """The arrival time below which this share of all messages lies; None when there is none."""
    count = int(conn.execute("SELECT count(*) FROM receipts").fetchone()[0])
    row = conn.execute(
        "SELECT arrived FROM receipts ORDER BY arrived LIMIT 1 OFFSET ?", (int(count * share),)
    ).fetchone()
    return None if row is None else float(row[0])


def _series(conn: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Every series of readings, from one to the next without reading what lies between.

    Two statements: SQLite seeks by the first column alone in `(module, series) > (?, ?)`, and
    reads every row of a module to leave the series it is at.
    """
    last = ("", "")
    while row := (
        conn.execute(
            "SELECT module, series FROM readings WHERE module = ? AND series > ? "
            "ORDER BY series LIMIT 1",
            last,
        ).fetchone()
        or conn.execute(
            "SELECT module, series FROM readings WHERE module > ? ORDER BY module, series LIMIT 1",
            last[:1],
        ).fetchone()
    ):
        last = (str(row[0]), str(row[1]))
        yield last
