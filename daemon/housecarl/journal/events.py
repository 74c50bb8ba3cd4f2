"""Events: what happened to the house itself, one line each."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from housecarl.journal.text import parsed


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `kind` is a stable word with dashes, `text` one line for the operator."""

    at: float
    kind: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


def add(conn: sqlite3.Connection, event: Event) -> None:
    """Write an event."""
    conn.execute(
        "INSERT INTO events (at, kind, text, data) VALUES (?, ?, ?, ?)",
        (event.at, event.kind, event.text, json.dumps(dict(event.data))),
    )


def latest(conn: sqlite3.Connection, kind: str | None = None, limit: int = 20) -> list[Event]:
    """The newest events first, of one kind or of all."""
    rows = conn.execute(
        "SELECT at, kind, text, data FROM events WHERE ? IS NULL OR kind = ? "
        "ORDER BY id DESC LIMIT ?",
        (kind, kind, limit),
    )
    return [
        Event(at, kind, text, parsed(data, {}, "events", str(at))) for at, kind, text, data in rows
    ]
