"""What modules keep: small values and series of readings."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any

from housecarl.journal.text import tell_damaged

#: Bytes of JSON one value may take (64 KiB: a note, not a file).
MAX_VALUE = 64 * 1024

#: Readings one answer may hold; a minute's readings of two months.
MAX_READINGS = 100_000

#: As bytes: a text that is no UTF-8 any more cannot be fetched as one.
_VALUE = "CAST(value AS BLOB)"


def get(conn: sqlite3.Connection, module: str, key: str) -> Any:
    """The value of a key, None when there is none or what is there is damaged."""
    row = conn.execute(
        f"SELECT {_VALUE} FROM stored WHERE module = ? AND key = ?", (module, key)
    ).fetchone()
    return None if row is None else _parsed(module, key, row[0])


def everything(conn: sqlite3.Connection, module: str) -> dict[str, Any]:
    """All values of a module by key, but for damaged ones."""
    rows = conn.execute(
        f"SELECT key, {_VALUE} FROM stored WHERE module = ? ORDER BY key", (module,)
    )
    found = {str(key): _parsed(module, str(key), value) for key, value in rows}
    return {key: value for key, value in found.items() if value is not None}


def notes(conn: sqlite3.Connection, module: str, fields: Collection[str]) -> dict[str, Any]:
    """All values of a module that have these fields, by key; others are damaged."""
    found = {}
    for key, value in everything(conn, module).items():
        if isinstance(value, dict) and value.keys() >= set(fields):
            found[key] = value
        else:
            tell_damaged("stored", f"{module}.{key}")
    return found


def put(conn: sqlite3.Connection, module: str, key: str, value: Any, at: float) -> None:
    """Store a JSON value; None removes the key. Raises ValueError when it is too large."""
    if value is None:
        conn.execute("DELETE FROM stored WHERE module = ? AND key = ?", (module, key))
        return
    text = json.dumps(value)
    if len(text) > MAX_VALUE:
        raise ValueError(f"{module}: value {key!r} takes {len(text)} bytes, {MAX_VALUE} at most")
    conn.execute(
        "INSERT OR REPLACE INTO stored (module, key, value, at) VALUES (?, ?, ?, ?)",
        (module, key, text, at),
    )


def take(
    conn: sqlite3.Connection,
    module: str,
    key: str,
    value: Any,
    at: float,
    instead_of: Any = None,
) -> bool:
    """Store a JSON value if the key holds `instead_of` (None: nothing); False when it does not."""
    if get(conn, module, key) != instead_of:
        return False
    put(conn, module, key, value, at)
    return True


def read(conn: sqlite3.Connection, module: str, series: str, at: float, value: float) -> None:
    """Add one reading to a series."""
    conn.execute(
        "INSERT OR REPLACE INTO readings (module, series, at, value) VALUES (?, ?, ?, ?)",
        (module, series, at, value),
    )


def readings(
    conn: sqlite3.Connection, module: str, series: str, since: float, until: float
) -> list[tuple[float, float]]:
    """The newest readings of a series, in order of time: (seconds since 1970, value)."""
    rows = conn.execute(
        "SELECT at, value FROM readings WHERE module = ? AND series = ? AND at >= ? AND at < ? "
        "ORDER BY at DESC LIMIT ?",
        (module, series, since, until, MAX_READINGS),
    )
    return [(float(at), float(value)) for at, value in rows][::-1]


def _parsed(module: str, key: str, value: bytes) -> Any:
    """What was stored; damage of one value costs that value and not the house."""
    try:
        return json.loads(value)
    except ValueError:
        tell_damaged("stored", f"{module}.{key}")
        return None
