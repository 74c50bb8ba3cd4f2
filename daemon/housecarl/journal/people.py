"""People as the journal knows them: switched off, reached which way, in the middle of a reply."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from housecarl.journal.text import words


class Way(NamedTuple):
    """One conversation a person is reached by; `token` is the pinned part of its address."""

    address: str
    sender: str
    token: str
    used: float


def switch_off(conn: sqlite3.Connection, person: str, at: float) -> None:
    """Obey this person no more, at once."""
    conn.execute("INSERT OR REPLACE INTO people_off (person, at) VALUES (?, ?)", (person, at))


def switch_on(conn: sqlite3.Connection, person: str) -> bool:
    """Obey this person again; False when they were not off."""
    return conn.execute("DELETE FROM people_off WHERE person = ?", (person,)).rowcount > 0


def off(conn: sqlite3.Connection) -> dict[str, float]:
    """Who is switched off, and since when."""
    return {str(name): float(at) for name, at in conn.execute("SELECT person, at FROM people_off")}


def use_way(conn: sqlite3.Connection, person: str, way: Way) -> None:
    """Note that this conversation was used; the first use pins its token.

    Another one between the same two numbers is somebody else's, and is not noted.
    """
    if pinned(conn, person, way.sender, way.address) not in (None, way.token):
        return
    conn.execute(
        "INSERT INTO ways (person, address, sender, token, kind, used) "
        "VALUES (?, ?, ?, ?, 'sms', ?) "
        "ON CONFLICT (person, address) DO UPDATE SET used = excluded.used",
        (person, way.address, way.sender, way.token, way.used),
    )


def pinned(conn: sqlite3.Connection, person: str, sender: str, address: str) -> str | None:
    """The token pinned for this person's number and ours, None before the first use.

    `address` is that of any conversation between the two; ours stands first in it.
    """
    row = conn.execute(
        "SELECT token FROM ways WHERE person = ? AND sender = ? AND address LIKE ? AND token <> ''",
        (person, sender, f"{address.partition('.')[0]}.%"),
    ).fetchone()
    return None if row is None else str(row[0])


def ways(conn: sqlite3.Connection, person: str) -> list[Way]:
    """The conversations of this person, the one used last first."""
    rows = conn.execute(
        # one bit of a row makes bytes of a text
        "SELECT CAST(address AS TEXT) AS address, sender, token, used FROM ways "
        "WHERE person = ? ORDER BY used DESC",
        (person,),
    )
    return [Way(**dict(row)) for row in rows]


def forget_ways(conn: sqlite3.Connection, person: str) -> None:
    """Drop the pinned conversations of a person, so that the next one is pinned anew."""
    conn.execute("DELETE FROM ways WHERE person = ?", (person,))


def keep_pages(conn: sqlite3.Connection, person: str, rest: list[str], at: float) -> None:
    """Keep the rest of a long reply for !more; an empty rest forgets it."""
    if not rest:
        conn.execute("DELETE FROM pages WHERE person = ?", (person,))
        return
    conn.execute(
        "INSERT OR REPLACE INTO pages (person, rest, at) VALUES (?, ?, ?)",
        (person, json.dumps(rest), at),
    )


def pages(conn: sqlite3.Connection, person: str) -> list[str]:
    """What is left of the last long reply."""
    row = conn.execute("SELECT rest FROM pages WHERE person = ?", (person,)).fetchone()
    return [] if row is None else [*words(row[0], "pages", person)]
