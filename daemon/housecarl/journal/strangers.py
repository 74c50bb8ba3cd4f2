"""Strangers: how many messages came of people the house does not know, or cannot believe."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

#: Senders and people that are named; the rest is in the counts.
NAMED = 3


class Strangers(NamedTuple):
    """Messages that were refused without a word, in some span of time.

    `unknown` counts those of nobody the house knows, `senders` who sent most of them. `claimed` are
    the people in whose name messages came that could not prove it.
    """

    unknown: int = 0
    senders: tuple[tuple[str, int], ...] = ()
    claimed: tuple[tuple[str, int], ...] = ()


def count(conn: sqlite3.Connection, since: float, until: float) -> Strangers:
    """Count those that arrived in a span, seconds since 1970."""
    unknown, senders = _most(conn, "sender", "person IS NULL", since, until)
    believed = "person IS NOT NULL AND proof = 'claimed'"
    _, claimed = _most(conn, "person", believed, since, until)
    return Strangers(unknown, senders, claimed)


def _most(
    conn: sqlite3.Connection, column: str, where: str, since: float, until: float
) -> tuple[int, tuple[tuple[str, int], ...]]:
    """All of a kind, and the few that stand out by one column; a message without it is counted."""
    rows = conn.execute(
        f"SELECT {column}, count(*) AS n, sum(count(*)) OVER () FROM receipts "
        f"WHERE arrived >= ? AND arrived < ? AND state = 'refused' AND verdict = 'refuse' "
        f"AND {where} GROUP BY {column} ORDER BY n DESC, {column} LIMIT ?",
        (since, until, NAMED + 1),
    ).fetchall()
    named = [(str(row[0]), int(row[1])) for row in rows if row[0]]
    return (int(rows[0][2]) if rows else 0), tuple(named[:NAMED])
