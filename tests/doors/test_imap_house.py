"""A text that lands in a mailbox is answered: the whole house on a real Dovecot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doors.dovecot import PASSWORD, Dovecot, mailbox

from housecarl.journal import JOURNAL, conditions, connect
from housecarl.journal.conditions import Condition
from housecarl.testing.house import TestHouse

NUMBER = "+13035550123"


@pytest.fixture
def dovecot(pair: tuple[Path, Path]) -> Iterator[Dovecot]:
    with mailbox(pair) as server:
        yield server


@pytest.mark.server("dovecot")
def test_a_text_is_answered_once(
    dovecot: Dovecot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when it arrives twice; a stranger's is silence; the door is in the journal as well."""
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", PASSWORD)
    imap = {
        "host": "127.0.0.1",
        "port": dovecot.port,
        "tls": "none",
        "user": "house",
        "password": {"env": "HOUSECARL_TEST_IMAP"},
        "all_old": True,
    }
    with TestHouse(tmp_path, doors={"imap": imap}) as house, dovecot.client("house") as client:
        text = house.carrier.text(NUMBER, "!uptime")
        client.append("INBOX", text)
        client.append("INBOX", text)
        client.append("INBOX", house.carrier.text("+13035550999", "!uptime"))
        client.append("INBOX", house.carrier.text(NUMBER, "!help"))
        first = house.inbox.wait(1)
        house.inbox.wait(2)
        house.settle()
        assert first[0].to == house.carrier.address(NUMBER)
        assert "up" in first[0].text
        assert len(house.inbox.received) == 2
        house.until(lambda: bool(told(house)))
        assert told(house)[0].ok
        assert "INBOX of 127.0.0.1 is watched" in told(house)[0].text


def told(house: TestHouse) -> list[Condition]:
    """What the journal says of the door, once it has said how it is."""
    conn = connect(house.spool / JOURNAL, readonly=True)
    try:
        return [each for each in conditions.listing(conn) if each.name == "door.imap"]
    finally:
        conn.close()
