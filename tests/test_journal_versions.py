"""Journals of former versions: brought up to date with every row, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cli.conftest import verb_of
from tests.journals.keep import KEPT, tables, write

from housecarl.errors import JournalError, JournalNewer
from housecarl.journal import JOURNAL, connect
from housecarl.journal.schema import MIGRATIONS, VERSION
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse

ROOT = Path(__file__).parents[1]

#: What each step says, without comments and blanks. A journal out there was made by just this text:
#: to change a table or an index, add a step (docs/journal.md).
STEPS = {
    1: "81d939f4863f22db",
    2: "53faa056d0b2177d",
    3: "3a5125bccd62efb5",
    4: "ed14a19f4651eecc",
    5: "b5c35764b7db4352",
}


def fingerprint(step: str) -> str:
    text = re.sub(r"\s+", " ", re.sub(r"--.*", "", step)).strip()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shape(conn: sqlite3.Connection) -> dict[str, str]:
    """Every table and index with its text."""
    rows = conn.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {name: re.sub(r"\s+", " ", re.sub(r"--.*", "", sql)) for name, sql in rows}


def test_a_step_that_was_made_never_changes() -> None:
    assert {n: fingerprint(step) for n, step in enumerate(MIGRATIONS, start=1)} == STEPS


def test_a_journal_of_every_version_is_kept_with_rows_in_each_table(tmp_path: Path) -> None:
    assert {str(n) for n in range(1, VERSION + 1)} <= set(KEPT), "python -m tests.journals.keep"
    for name in KEPT:
        write(name, tmp_path / name)
        with closing(sqlite3.connect(tmp_path / name)) as conn:
            assert conn.execute("PRAGMA user_version").fetchone()[0] == int(name.partition("-")[0])
            assert [table for table, rows in tables(conn).items() if not rows] == []


@pytest.mark.parametrize("name", KEPT)
def test_an_older_journal_gets_the_shape_of_a_new_one_and_keeps_every_row(
    tmp_path: Path, name: str
) -> None:
    write(name, tmp_path / "old")
    with closing(sqlite3.connect(tmp_path / "old")) as conn:
        before = tables(conn)
    with closing(connect(tmp_path / "old")) as old, closing(connect(tmp_path / "new")) as new:
        assert shape(old) == shape(new)
        after = tables(old)
    assert {table: after[table] for table in before} == before


#: A version between the first and this one takes steps that the first takes too.
AMID = [name for name in KEPT if name not in ("1", str(VERSION))]


@pytest.mark.long(after=1)
@pytest.mark.long(after=2)
@pytest.mark.parametrize(
    "name",
    [
        *("", "1", str(VERSION)),
        *(pytest.param(name, marks=pytest.mark.long) for name in AMID),
    ],
)
def test_a_crash_at_any_statement_leaves_the_old_or_the_new(tmp_path: Path, name: str) -> None:
    kept = tmp_path / "kept"
    if name:
        write(name, kept)
    else:
        kept.touch()
    done = subprocess.run(
        [sys.executable, "-m", "tests.journals.killed", kept],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lives = [json.loads(line) for line in done.stdout.splitlines()]
    old, new = lives[0]["left"], lives[-1]["left"]
    assert old[0] == int(name.partition("-")[0] or 0) and new[0] == VERSION
    assert [life["left"] for life in lives if life["left"] not in (old, new)] == []
    assert {json.dumps(life["again"]) for life in lives} == {json.dumps(new)}
    assert new[3] == "ok" and [life["killed"] for life in lives[:-1]] == [True] * (len(lives) - 1)


@pytest.mark.long
def test_two_that_open_a_journal_at_the_same_moment_agree(tmp_path: Path) -> None:
    write(KEPT[0], tmp_path / "old")
    script = """
import os, sys
from pathlib import Path
from housecarl.journal import connect

for _ in range(4):
    if not os.fork():
        connect(Path(sys.argv[1])).close()
        sys.exit()
print(*(os.wait()[1] for _ in range(4)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "old"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "0 0 0 0\n", done.stderr


@pytest.mark.long(after=2)
@pytest.mark.parametrize("name", [name for name in KEPT if not name.startswith(str(VERSION))])
def test_a_house_lives_on_with_an_older_journal(tmp_path: Path, name: str) -> None:
    journal = tmp_path / "spool" / JOURNAL
    journal.parent.mkdir(parents=True)
    write(name, journal)
    clock = FakeClock(datetime(2026, 10, 26, 8, 0, tzinfo=UTC))
    ann = {"phones": ["+13035550123"], "addresses": ["ann@example.org"], "may": ["*"]}
    with TestHouse(tmp_path, {"ann": ann}, clock=clock) as house:
        assert house.log() == [
            "7f3a ann plug lamp on: executed",
            "81bb ann ping router + uptime: executed",
            "92cc stranger -: stranger",
            "a3dd bo -: later",
        ]
        waited, told = (each.text for each in house.inbox.wait(2, to="ann@example.org"))
        assert waited == "router: no answer in 10 s."
        assert told.startswith("firmware was interrupted by a restart.")
        phone = house.phone()
        phone.text("!jobs")
        assert "plug lamp off" in phone.reply


def test_a_verb_that_only_reads_leaves_an_older_journal_to_the_daemon(tmp_path: Path) -> None:
    write("1", tmp_path / "old")
    with pytest.raises(JournalError, match=r"version 1.*restart the daemon"):
        connect(tmp_path / "old", readonly=True)
    with closing(sqlite3.connect(tmp_path / "old")) as conn:
        assert conn.execute("PRAGMA user_version").fetchone()[0] == 1


def test_before_the_daemon_has_started_anew_verbs_and_doctor_say_so(tmp_path: Path) -> None:
    (tmp_path / "spool" / JOURNAL).parent.mkdir(parents=True)
    write("1", tmp_path / "spool" / JOURNAL)
    (tmp_path / "housecarl.yaml").write_text(
        "spool: spool\npeople: {ann: {unix: [ann], may: [plug]}}\n"
    )
    verb = verb_of(tmp_path / "housecarl.yaml")
    assert verb("log").returncode == 75
    assert "FAIL journal: " in verb("status").stdout
    told = verb("doctor", "--only", "forwarding")
    assert told.returncode == 1 and "report" not in told.stdout
    assert "start or restart the daemon" in told.stdout


def test_a_newer_journal_is_refused_with_a_sentence_and_left_as_it_is(tmp_path: Path) -> None:
    with TestHouse(tmp_path):
        pass
    journal = tmp_path / "spool" / JOURNAL
    with closing(sqlite3.connect(journal)) as conn:
        conn.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = journal.read_bytes()
    with pytest.raises(JournalNewer):
        connect(journal)
    verb = verb_of(tmp_path / "housecarl.yaml")
    for words in (("run",), ("log",), ("person", "off", "ann")):
        done = verb(*words)
        assert done.returncode == 78, done.stderr
        assert "install the newer housecarl again, or restore the backup" in done.stderr
        assert "Traceback" not in done.stderr
    assert journal.read_bytes() == before
