"""Runs: each command of each message, from "started" to its outcome."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from housecarl.journal.text import words


class Run(NamedTuple):
    """One command that was begun; `n` is its place in the message, from 0."""

    receipt: str
    n: int
    words: tuple[str, ...]
    person: str
    risk: str
    started: float
    ended: float | None = None
    outcome: str | None = None
    text: str = ""
    detail: str = ""


def start(conn: sqlite3.Connection, run: Run) -> None:
    """Note that a command begins: the claim. A second start of the same run is an error."""
    conn.execute(
        "INSERT INTO runs (receipt, n, command, words, person, risk, started) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (run.receipt, run.n, run.words[0], json.dumps(run.words), run.person, run.risk)
        + (run.started,),
    )


def finish(conn: sqlite3.Connection, run: Run) -> None:
    """Write a run with its outcome, whether or not its start was noted before."""
    conn.execute(
        "INSERT OR REPLACE INTO runs "
        "(receipt, n, command, words, person, risk, started, ended, outcome, text, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (run.receipt, run.n, run.words[0], json.dumps(run.words), run.person, run.risk)
        + (run.started, run.ended, run.outcome, run.text, run.detail),
    )


def of(conn: sqlite3.Connection, receipt: str) -> list[Run]:
    """The runs of one message in order."""
    rows = conn.execute("SELECT * FROM runs WHERE receipt = ? ORDER BY n", (receipt,))
    return [_run(row) for row in rows]


def repeated(
    conn: sqlite3.Connection,
    run: Run,
    asked: Sequence[tuple[str, ...]],
    place: int,
    people: Iterable[str],
    since: float,
) -> Run | None:
    """The run that this one, at `place` of the changes `asked` for, would only repeat.

    It is since a time, and of the last message with which the person changed something: `asked`
    begins with all that was changed by that. And none of the other `people` gave the same command
    after it. Else the very same words may mean something again. What a clock noted that was ahead
    and set back is passed over.
    """
    span = since, run.started + (run.started - since)
    last = _latest(conn, run.person, span, "receipt <> ?", run.receipt)
    if last is None:
        return None
    did = [each for each in of(conn, last.receipt) if each.risk != "look"]
    if place >= len(did) or [each.words for each in did] != [*asked[: len(did)]]:
        return None
    same = did[place]
    span = same.started, span[1]
    others = (name for name in people if name != run.person)
    if any(_latest(conn, name, span, "command = ?", run.words[0]) for name in others):
        return None
    return same


def overtaken(conn: sqlite3.Connection, run: Run, arrived: float) -> bool:
    """Whether the person's last such command came later than this one and was carried out first."""
    span = arrived, run.started
    last = _latest(conn, run.person, span, "command = ?", run.words[0])
    if last is None:
        return False
    row = conn.execute("SELECT arrived FROM receipts WHERE id = ?", (last.receipt,)).fetchone()
    return row is not None and row[0] > arrived


def _latest(
    conn: sqlite3.Connection, person: str, span: tuple[float, float], which: str, value: str
) -> Run | None:
    """The last run of a person between two times that may have changed something."""
    row = conn.execute(
        "SELECT * FROM runs WHERE person = ? AND started BETWEEN ? AND ? "
        f"AND {which} AND risk <> 'look' ORDER BY started DESC LIMIT 1",
        (person, *span, value),
    ).fetchone()
    return None if row is None else _run(row)


def _run(row: sqlite3.Row) -> Run:
    values = {key: row[key] for key in row.keys() if key != "command"}  # noqa: SIM118 - a Row
    found = words(values["words"], "runs", f"{row['receipt']}.{row['n']}")
    values["words"] = found or (row["command"],)
    return Run(**values)
