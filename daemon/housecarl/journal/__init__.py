"""The journal: everything that was decided, in SQLite; the only folder with SQL.

Each file owns one noun and holds plain functions of a connection; `Database` runs them.
"""

from housecarl.journal import (
    codes,
    conditions,
    events,
    jobs,
    past,
    people,
    receipts,
    replies,
    runs,
    texts,
    values,
)
from housecarl.journal.damage import SIDES, fault, mark_of
from housecarl.journal.database import Database, connect
from housecarl.journal.place import JOURNAL, WAKE

__all__ = [
    "JOURNAL",
    "SIDES",
    "WAKE",
    "Database",
    "codes",
    "conditions",
    "connect",
    "events",
    "fault",
    "jobs",
    "mark_of",
    "past",
    "people",
    "receipts",
    "replies",
    "runs",
    "texts",
    "values",
]
