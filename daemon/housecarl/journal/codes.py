"""One-time codes: what waits for its !yes, which TOTP steps are spent, who guessed wrong."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from housecarl.journal.text import words

#: Seconds of one TOTP step (RFC 6238).
STEP_SECONDS = 30


class Code(NamedTuple):
    """A challenge that was sent: bound to a person and to the very words of the command."""

    id: int
    person: str
    code: str
    words: tuple[str, ...]


def issue(
    conn: sqlite3.Connection,
    person: str,
    code: str,
    words: tuple[str, ...],
    receipt: str,
    created: float,
    expires: float,
) -> None:
    """Keep a challenge; an older one of the same person is cancelled."""
    cancel(conn, person)
    conn.execute(
        "INSERT INTO codes (person, code, words, receipt, created, expires, state) "
        "VALUES (?, ?, ?, ?, ?, ?, 'waiting')",
        (person, code, json.dumps(words), receipt, created, expires),
    )


def waiting(conn: sqlite3.Connection, person: str, now: float) -> Code | None:
    """The challenge this person may still answer, one at most; none whose command is damaged.

    One that was made further ahead than it lasts is of a clock that has been set back since.
    """
    row = conn.execute(
        "SELECT id, person, code, words FROM codes WHERE person = ? "
        "AND state = 'waiting' AND expires > ? AND created - ? <= expires - created",
        (person, now, now),
    ).fetchone()
    if row is None:
        return None
    found = words(row["words"], "codes", str(row["id"]))
    return Code(**{**dict(row), "words": found}) if found else None


def close(conn: sqlite3.Connection, code: int, state: str) -> None:
    """End a challenge as "used", "cancelled" or "spent"."""
    conn.execute("UPDATE codes SET state = ? WHERE id = ? AND state = 'waiting'", (state, code))


def use(conn: sqlite3.Connection, code: Code, now: float) -> bool:
    """Use a challenge up; False when it was answered, cancelled or too old by now."""
    cursor = conn.execute(
        "UPDATE codes SET state = 'used' WHERE id = ? AND state = 'waiting' AND expires > ?",
        (code.id, now),
    )
    return cursor.rowcount > 0


def cancel(conn: sqlite3.Connection, person: str) -> bool:
    """Cancel what waits for this person's !yes; False when nothing did."""
    cursor = conn.execute(
        "UPDATE codes SET state = 'cancelled' WHERE person = ? AND state = 'waiting'", (person,)
    )
    return cursor.rowcount > 0


def is_missed(conn: sqlite3.Connection, receipt: str) -> bool:
    """Whether the wrong code of this message was counted before a crash."""
    row = conn.execute("SELECT 1 FROM keys WHERE key = ?", (_wrong(receipt),)).fetchone()
    return row is not None


def miss(conn: sqlite3.Connection, person: str, code: int | None, receipt: str, at: float) -> int:
    """Count the wrong code of a message, once; returns how many tries the open challenge saw."""
    if not is_missed(conn, receipt):
        key = _wrong(receipt)
        conn.execute("INSERT INTO keys (key, receipt, at) VALUES (?, ?, ?)", (key, receipt, at))
        conn.execute("INSERT INTO wrong_codes (person, at) VALUES (?, ?)", (person, at))
        conn.execute("UPDATE codes SET tries = tries + 1 WHERE id = ?", (code,))
    row = conn.execute("SELECT tries FROM codes WHERE id = ?", (code,)).fetchone()
    return 0 if row is None else int(row[0])


def misses(conn: sqlite3.Connection, person: str, since: float, until: float) -> list[float]:
    """When this person sent wrong codes between two times, the oldest first."""
    rows = conn.execute(
        "SELECT at FROM wrong_codes WHERE person = ? AND at BETWEEN ? AND ? ORDER BY at",
        (person, since, until),
    )
    return [at for (at,) in rows]


def is_spent(conn: sqlite3.Connection, person: str, step: int) -> bool:
    """Whether a TOTP step (RFC 6238) is used up."""
    row = conn.execute(
        "SELECT 1 FROM totp_steps WHERE person = ? AND step = ?", (person, step)
    ).fetchone()
    return row is not None


def spend_step(conn: sqlite3.Connection, person: str, step: int) -> bool:
    """Use up a TOTP step (RFC 6238); False when it was used before."""
    cursor = conn.execute(
        "INSERT OR IGNORE INTO totp_steps (person, step) VALUES (?, ?)", (person, step)
    )
    return cursor.rowcount > 0


def _wrong(receipt: str) -> str:
    """The key that says that the wrong code of a message is counted."""
    return f"wrong:{receipt}"
