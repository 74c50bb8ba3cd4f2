"""Conditions: how each part of the house is right now; each change is an event."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import NamedTuple

from housecarl.journal import events


class Condition(NamedTuple):
    """One part of the house: `since` is when it became as it is, in seconds since 1970."""

    name: str
    ok: bool
    text: str
    since: float


def note(conn: sqlite3.Connection, condition: Condition) -> bool:
    """Note how a part is; True when that is news, which is then an event too."""
    known = conn.execute(
        "SELECT ok, text FROM conditions WHERE name = ?", (condition.name,)
    ).fetchone()
    news = bool(known["ok"]) != condition.ok if known is not None else not condition.ok
    if known is None or news or known["text"] != condition.text:
        conn.execute(
            "INSERT INTO conditions (name, ok, text, since) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET since = CASE ok WHEN excluded.ok THEN since "
            "ELSE excluded.since END, ok = excluded.ok, text = excluded.text",
            (condition.name, condition.ok, condition.text, condition.since),
        )
    if news:
        kind = f"{condition.name.partition('.')[0]}-{'well' if condition.ok else 'trouble'}"
        events.add(conn, events.Event(condition.since, kind, condition.text))
    return news


def forget(conn: sqlite3.Connection, name: str) -> None:
    """Drop a part that is no more."""
    conn.execute("DELETE FROM conditions WHERE name = ?", (name,))


def forget_gone(conn: sqlite3.Connection, kind: str, here: Collection[str]) -> None:
    """Drop the parts of a kind that are no more: a door taken out of the config, a mended module.

    `kind` is the word before the dot of a name, `here` what may come after it.
    """
    for condition in listing(conn):
        found, _, rest = condition.name.partition(".")
        if found == kind and rest not in here:
            forget(conn, condition.name)


def listing(conn: sqlite3.Connection) -> list[Condition]:
    """Every part that was noted, trouble first; one whose name is damaged is none."""
    rows = conn.execute(
        "SELECT name, ok, text, since FROM conditions WHERE typeof(name) = 'text' ORDER BY ok, name"
    )
    return [Condition(name, bool(ok), text, since) for name, ok, text, since in rows]
