"""Journals of every version, as text: `python -m tests.journals.keep` adds that of this version.

It is the newest one that is kept, brought up to date. Rows of a new table are added by hand.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from housecarl.journal.schema import VERSION, migrate

FOLDER = Path(__file__).parent

#: Every kept journal; "1-first" are those that said version 1 before its tables were settled.
KEPT = tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))


def write(name: str, path: Path) -> None:
    """Make a kept journal a file again."""
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript((FOLDER / f"{name}.sql").read_text())
        conn.execute("PRAGMA journal_mode = WAL")


def tables(conn: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    names = [row[0] for row in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {n: [tuple(row) for row in conn.execute(f"SELECT * FROM {n}")] for n in names}


def main() -> None:
    """Write the journal of this version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as conn:
        newest = max((name for name in KEPT if name.isdigit()), key=int)
        conn.executescript((FOLDER / f"{newest}.sql").read_text())
        migrate(conn)
        lines = list(conn.iterdump())
    lines[-1:] = [f"PRAGMA user_version = {VERSION};", lines[-1], ""]
    (FOLDER / f"{VERSION}.sql").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
