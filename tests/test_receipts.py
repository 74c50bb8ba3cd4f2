"""What `log` lists: the newest first, by person, by age, and only what did not end well."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from housecarl.journal import receipts, runs
from housecarl.journal.database import connect
from housecarl.journal.receipts import Receipt
from housecarl.journal.runs import Run


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A journal: a done, a failed, a refused and a broken message, one of them of bo."""
    conn = connect(tmp_path / "journal.sqlite")
    for n, (person, state, outcome) in enumerate(
        [("ann", "executed", "done"), ("ann", "executed", "timeout")]
        + [("bo", "executed", "failed"), ("ann", "executed", "refused"), ("ann", "failed", "")]
    ):
        identity = f"{n:016x}"
        receipts.store(conn, Receipt(identity, "x", float(n), "smtp", person=person, state=state))
        if outcome:
            runs.finish(conn, Run(identity, 0, ("plug",), person, "look", n, n, outcome))
    yield conn
    conn.close()


def listed(conn: sqlite3.Connection, **asked: object) -> list[float]:
    return [each.arrived for each in receipts.listing(conn, limit=10, **asked)]  # type: ignore[arg-type]


def test_the_newest_come_first(conn: sqlite3.Connection) -> None:
    assert listed(conn) == [4, 3, 2, 1, 0]


def test_failed_is_what_broke_or_has_a_run_that_did_not_end_well(conn: sqlite3.Connection) -> None:
    assert listed(conn, failed=True) == [4, 2, 1]


def test_failed_of_a_person_since_a_time(conn: sqlite3.Connection) -> None:
    assert listed(conn, failed=True, person="ann", since=2.0) == [4]


def test_failed_walks_small_indices_only(conn: sqlite3.Connection) -> None:
    """A journal of a million messages has few of these: none of the others is looked at."""
    traced: list[str] = []
    conn.set_trace_callback(traced.append)
    listed(conn, failed=True, person="ann")
    conn.set_trace_callback(None)
    plan = [row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {traced[-1]}")]
    assert any("receipts_failed" in step for step in plan)
    assert any("runs_unwell" in step for step in plan)
    assert not any(step == "SCAN receipts" or "receipts_person" in step for step in plan), plan
