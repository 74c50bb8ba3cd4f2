"""How the house is, from its journal alone: one line per part, by text and in the shell."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from housecarl import when
from housecarl.journal import conditions, people, receipts, replies, texts
from housecarl.quantity import DAY
from housecarl.rights import span

#: Seconds a reply may wait before that is trouble (5 min: a slow smarthost is none yet).
WAITING_SECONDS = 300.0


class Part(NamedTuple):
    """One part of the house and how it is."""

    name: str
    ok: bool
    text: str


class Health(NamedTuple):
    """All parts, trouble first, and what was done in the last day by outcome.

    `texts` are the parts of the texts of this month by person, none for who had none.
    """

    parts: tuple[Part, ...]
    today: Mapping[str, int]
    texts: Mapping[str, int]

    @property
    def well(self) -> bool:
        """Whether no part is in trouble."""
        return all(part.ok for part in self.parts)


def examine(conn: sqlite3.Connection, now: float, persons: Iterable[str], zone: ZoneInfo) -> Health:
    """Read from the journal how the house is; whose texts are counted, and by whose months."""
    parts = [
        Part(c.name, c.ok, c.text if c.ok else f"{c.text} (for {span(now - c.since)})")
        for c in conditions.listing(conn)
    ]
    parts.append(_post(conn, now))
    off = people.off(conn)
    if off:
        parts.append(Part("people", True, f"{', '.join(sorted(off))} switched off"))
    open_messages = len(receipts.find_open(conn))
    if open_messages:
        parts.append(Part("spool", True, f"{open_messages} messages wait"))
    parts.sort(key=lambda part: (part.ok, part.name))
    counted = texts.parts(conn, persons, month(now, zone))
    return Health(tuple(parts), receipts.count(conn, now - DAY), counted)


def month(now: float, zone: ZoneInfo) -> float:
    """When this month began, by the house's clocks."""
    first = datetime.fromtimestamp(now, zone).date().replace(day=1)
    return when.on(first, time(), zone).timestamp()


def _post(conn: sqlite3.Connection, now: float) -> Part:
    count, error = replies.count_waiting(conn)
    if not count:
        return Part("replies", True, "none waiting")
    late = replies.late(conn, now)
    if late is None:
        return Part("replies", True, f"{count} waiting for the budget of texts")
    age = now - late
    text = f"{count} waiting for {span(age)}" + (f": {error}" if error else "")
    return Part("replies", age < WAITING_SECONDS, text)
