"""The mailbox door on a server of another make: no NAMESPACE, no keywords, other habits."""

from __future__ import annotations

import pytest
from tests.doors.dovecot import PASSWORD
from tests.doors.imap_peer import Ledger, letter, settings, watching
from tests.doors.pymap_server import pymap


@pytest.mark.parametrize("move", ["auto", "flag"])
async def test_what_concerns_us_is_stored_and_put_away(
    move: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old mail and other people's stay; ours is moved, or seen where it may only be flagged."""
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", PASSWORD)
    ledger = Ledger()
    with pymap("house") as server, server.client() as phone:
        given = settings(server.port, "house", move=move, executed="été/done")
        async with watching(ledger, given):
            await ledger.ready()
            old = phone.select_folder("INBOX")[b"EXISTS"]
            phone.append("INBOX", letter("foreign", sender="x@example.com"))
            phone.append("INBOX", letter(1))
            phone.append("INBOX", letter(2))
            last = old + 3 + 100
            await ledger.until(lambda: any(v["last"] == last for v in ledger.values.values()))
        assert ledger.ids == ["1", "2"]
        left = phone.select_folder("INBOX")[b"EXISTS"]
        flags = phone.get_flags([last - 2, last])
        assert b"\\Seen" not in flags[last - 2]
        if move == "auto":
            assert left == old + 1
            assert phone.select_folder("été/done")[b"EXISTS"] == 2
        else:
            assert b"\\Seen" in flags[last]
