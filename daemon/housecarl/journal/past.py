"""The past: what is forgotten when it is old enough, a little at a time."""

from __future__ import annotations

import sqlite3

#: Messages forgotten in one transaction: a few milliseconds, so that nobody waits behind it.
CHUNK = 500


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


def forget_rest(conn: sqlite3.Connection, before: float, keys_before: float) -> None:
    """Forget old keys, readings, events, ended jobs, codes and alerts."""
    conn.execute("DELETE FROM keys WHERE at < ?", (keys_before,))
    for statement in (
        "DELETE FROM readings WHERE at < ?",
        "DELETE FROM events WHERE at < ?",
        "DELETE FROM jobs WHERE created < ? AND state <> 'waiting'",
        "DELETE FROM codes WHERE created < ? AND state <> 'waiting'",
        "DELETE FROM wrong_codes WHERE at < ?",
        "DELETE FROM replies WHERE receipt IS NULL AND created < ? AND state <> 'waiting'",
    ):
        conn.execute(statement, (before,))


def used_bytes(conn: sqlite3.Connection) -> int:
    """Bytes of the journal that hold something."""
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
