"""What `status` tells of the house, from its journal alone."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

from housecarl.health import Part, examine
from housecarl.journal import conditions, connect, people, receipts, replies
from housecarl.journal.conditions import Condition
from housecarl.journal.receipts import Receipt
from housecarl.journal.replies import Outgoing

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


def test_what_waits_for_the_budget_is_no_trouble(tmp_path: Path) -> None:
    """Nor what waits behind it; what the smarthost does not take is one."""
    text = "13035550100.13035550123.abc@txt.voice.google.com"
    with closing(connect(tmp_path / "journal.sqlite")) as conn:
        for not_before in (NOW + 600, 0.0):
            out = Outgoing("ann", "reply", text, "<x@y>", "x", b"x", NOW - 3000)
            replies.add(conn, out._replace(not_before=not_before))
        found = examine(conn, NOW, ["ann"], ZoneInfo("UTC"))
        assert found.parts == (Part("replies", True, "2 waiting for the budget of texts"),)
        mail = replies.add(conn, out._replace(address="ann@example.org"))
        replies.later(conn, mail, NOW + 60, "450 grey")
        found = examine(conn, NOW, ["ann"], ZoneInfo("UTC"))
        assert found.parts == (Part("replies", False, "3 waiting for 50 min: 450 grey"),)
