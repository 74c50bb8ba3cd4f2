"""Receipts: what was decided about each message, and the keys that say "the same message"."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import Any

from housecarl.journal.text import parsed


@dataclass(frozen=True, slots=True)
class Receipt:
    """One message as the journal knows it; times are seconds since 1970."""

    id: str
    file: str
    arrived: float
    door: str
    kind: str = ""
    person: str | None = None
    sender: str | None = None
    proof: str = ""
    verdict: str = ""
    reason: str | None = None
    calls: tuple[tuple[str, ...], ...] = ()
    sent: float | None = None
    reply_to: str | None = None
    thread: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    state: str = "waiting"
    tries: int = 0


#: The table has a `next_try` too, which nothing asks: a start offers all that waits.
_COLUMNS = (
    "id, file, arrived, door, kind, person, sender, proof, verdict, reason, calls, sent, reply_to, "
    "thread, checks, state, tries"
)
_MARKS = ", ".join("?" * 17)

#: The messages that did not end well, by two small indices; CROSS JOIN begins with these few.
_UNWELL = (
    "SELECT id FROM receipts WHERE state = 'failed' UNION "
    "SELECT receipt FROM runs WHERE outcome IN ('failed', 'timeout', 'interrupted')"
)


def store(conn: sqlite3.Connection, receipt: Receipt, keys: Iterable[str] = ()) -> None:
    """Write a receipt, or write it anew, and take its keys."""
    conn.execute(
        f"INSERT OR REPLACE INTO receipts ({_COLUMNS}) VALUES ({_MARKS})",
        (
            receipt.id,
            receipt.file,
            receipt.arrived,
            receipt.door,
            receipt.kind,
            receipt.person,
            receipt.sender,
            receipt.proof,
            receipt.verdict,
            receipt.reason,
            json.dumps(receipt.calls),
            receipt.sent,
            receipt.reply_to,
            json.dumps(dict(receipt.thread)),
            json.dumps(dict(receipt.checks)),
            receipt.state,
            receipt.tries,
        ),
    )
    take(conn, keys, receipt.id, receipt.arrived)


def take(conn: sqlite3.Connection, keys: Iterable[str], own: str, at: float) -> None:
    """Take the keys of the message `own`: from now on whatever has one of them is a repeat."""
    conn.executemany(
        "INSERT OR IGNORE INTO keys (key, receipt, at) VALUES (?, ?, ?)",
        [(key, own, at) for key in keys],
    )


def find_same(conn: sqlite3.Connection, keys: Iterable[str], own: str) -> str | None:
    """The id of another message that took one of these keys, if any."""
    for key in keys:
        row = conn.execute(
            "SELECT receipt FROM keys WHERE key = ? AND receipt <> ?", (key, own)
        ).fetchone()
        if row is not None:
            return str(row[0])
    return None


def find(conn: sqlite3.Connection, identity: str, *, person: str | None = None) -> Receipt | None:
    """The newest receipt whose id begins with `identity` (hex digits); of one person or of all."""
    row = conn.execute(
        f"SELECT {_COLUMNS} FROM receipts WHERE id >= ? AND id < ? AND (? IS NULL OR person = ?) "
        "ORDER BY arrived DESC LIMIT 1",
        (identity, identity + "g", person, person),
    ).fetchone()
    return None if row is None else _receipt(row)


def find_all(conn: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Receipt]:
    """The receipts with these whole ids, some hundreds at the most, of those that are known."""
    marks = ", ".join("?" * len(ids))
    rows = conn.execute(f"SELECT {_COLUMNS} FROM receipts WHERE id IN ({marks})", tuple(ids))
    return {row["id"]: _receipt(row) for row in rows}


def shorten(conn: sqlite3.Connection, identity: str) -> str:
    """The shortest beginning of an id, four digits at least, that no other message shares."""
    longest = 0
    for order, side in (("DESC", "<"), ("ASC", ">")):
        row = conn.execute(
            f"SELECT id FROM receipts WHERE id {side} ? ORDER BY id {order} LIMIT 1", (identity,)
        ).fetchone()
        if row is not None:
            longest = max(longest, len(commonprefix((str(row[0]), identity))))
    return identity[: max(4, longest + 1)]


def find_open(conn: sqlite3.Connection) -> list[Receipt]:
    """The messages that are waiting or were started and never finished."""
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM receipts WHERE state IN ('waiting', 'started') ORDER BY arrived"
    )
    return [_receipt(row) for row in rows]


def listing(
    conn: sqlite3.Connection,
    *,
    limit: int,
    person: str | None = None,
    since: float | None = None,
    failed: bool = False,
) -> list[Receipt]:
    """The newest receipts, newest first; `failed` keeps those with a run that did not end well."""
    where, values = ["1"], list[object]()
    if person is not None:
        where.append("person = ?")
        values.append(person)
    if since is not None:
        where.append("arrived >= ?")
        values.append(since)
    source = f"({_UNWELL}) CROSS JOIN receipts USING (id)" if failed else "receipts"
    rows = conn.execute(
        f"SELECT {_COLUMNS} FROM {source} WHERE {' AND '.join(where)} "
        "ORDER BY arrived DESC LIMIT ?",
        (*values, limit),
    )
    return [_receipt(row) for row in rows]


def count(conn: sqlite3.Connection, since: float) -> dict[str, int]:
    """How many messages ended in each state since a time."""
    rows = conn.execute(
        "SELECT state, count(*) FROM receipts WHERE arrived >= ? GROUP BY state", (since,)
    )
    return {str(state): int(number) for state, number in rows}


def _receipt(row: sqlite3.Row) -> Receipt:
    values = dict(row)
    key = str(values["id"])
    calls: list[Any] = parsed(values["calls"], [], "receipts", key)
    values["calls"] = tuple(tuple(map(str, call)) for call in calls if isinstance(call, list))
    for name in ("thread", "checks"):
        values[name] = parsed(values[name], {}, "receipts", key)
    return Receipt(**values)


def ended_well(conn: sqlite3.Connection, key: str) -> bool:
    """Whether the message with this key was carried out and each of its commands went well."""
    row = conn.execute(
        "SELECT receipts.state = 'executed' AND NOT EXISTS "
        "(SELECT 1 FROM runs WHERE receipt = receipts.id AND outcome <> 'done') "
        "FROM keys JOIN receipts ON receipts.id = keys.receipt WHERE key = ?",
        (key,),
    ).fetchone()
    return row is not None and bool(row[0])
