"""Events: what happened to the house itself, one line each."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Event(NamedTuple):
    """One event: `kind` is a stable word with dashes, `text` one line for the operator."""

    at: float
    kind: str
    text: str


def add(conn: sqlite3.Connection, event: Event) -> None:
    """Write an event."""
    conn.execute("INSERT INTO events (at, kind, text) VALUES (?, ?, ?)", event)


def latest(conn: sqlite3.Connection, kind: str | None = None) -> list[Event]:
    """The newest twenty events first, of one kind or of all."""
    rows = conn.execute(
        "SELECT at, kind, text FROM events WHERE ? IS NULL OR kind = ? ORDER BY id DESC LIMIT 20",
        (kind, kind),
    )
    return [Event(*row) for row in rows]
