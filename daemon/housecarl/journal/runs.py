"""Runs: each command of each message, from "started" to its outcome."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple


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


def latest_same(
    conn: sqlite3.Connection, person: str, words: tuple[str, ...], since: float
) -> Run | None:
    """The newest run of the very same words by the same person since a time."""
    row = conn.execute(
        "SELECT * FROM runs WHERE person = ? AND started >= ? AND words = ? "
        "AND risk <> 'look' ORDER BY started DESC LIMIT 1",
        (person, since, json.dumps(words)),
    ).fetchone()
    return None if row is None else _run(row)


def _run(row: sqlite3.Row) -> Run:
    values = {key: row[key] for key in row.keys() if key != "command"}  # noqa: SIM118 - a Row
    values["words"] = tuple(json.loads(values["words"]))
    return Run(**values)
