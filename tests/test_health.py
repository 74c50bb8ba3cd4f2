"""What `status` tells of the house, from its journal alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from housecarl.health import Part, examine
from housecarl.journal import conditions, connect, people, receipts
from housecarl.journal.conditions import Condition
from housecarl.journal.receipts import Receipt

NOW = 1_000_000.0


def test_who_is_off_and_what_waits_is_told_and_is_no_trouble(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "journal.sqlite")) as conn:
        quiet = examine(conn, NOW, ["ann"], ZoneInfo("UTC"))
        assert [part.name for part in quiet.parts] == ["replies"]
        for name in ("zoe", "bo"):
            people.switch_off(conn, name, 1.0)
        for identity in ("a" * 16, "b" * 16):
            receipts.store(conn, Receipt(identity, identity, 1.0, "smtp", state="waiting"))
        found = examine(conn, NOW, ["ann"], ZoneInfo("UTC"))
        assert found.well
        assert [part for part in found.parts if part.name != "replies"] == [
            Part("people", True, "bo, zoe switched off"),
            Part("spool", True, "2 messages wait"),
        ]
        conditions.note(conn, Condition("door.imap", False, "no answer", NOW - 7200))
        troubled = examine(conn, NOW, ["ann"], ZoneInfo("UTC"))
        assert not troubled.well
        assert troubled.parts[0] == Part("door.imap", False, "no answer (for 2 h)")
