"""The mailbox door on a server of another make: no NAMESPACE, no keywords, other habits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from tests.doors.dovecot import PASSWORD
from tests.doors.imap_peer import Ledger, letter, settings, watching
from tests.doors.pymap_server import Pymap, pymap

from housecarl.doors import imap_concern


@pytest.fixture(scope="module")
def server() -> Iterator[Pymap]:
    """One for all but who needs its mail as it was."""
    with pymap("house") as running:
        yield running


@pytest.mark.parametrize("move", ["auto", pytest.param("flag", marks=pytest.mark.long)])
async def test_what_concerns_us_is_stored_and_put_away(
    move: str, server: Pymap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old mail and other people's stay; ours is moved, or seen where it may only be flagged."""
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", PASSWORD)
    ledger = Ledger()
    mailbox = nullcontext(server) if move == "auto" else pymap("house")
    with mailbox as own, own.client() as phone:
        given = settings(own.port, "house", move=move, executed="été/done")
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


@pytest.mark.parametrize("broken", ["tell", "open"])
@pytest.mark.long
async def test_a_fault_of_our_own_is_told_and_the_door_tries_again(
    broken: str, server: Pymap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither news that nobody takes nor a session that cannot be opened ends the thread."""
    monkeypatch.setenv("HOUSECARL_TEST_IMAP", PASSWORD)
    ledger = Ledger()
    faults = [ValueError("of our own making")]
    whole, told = imap_concern.Concern, ledger.tell

    async def tell(name: str, ok: bool, text: str) -> None:
        if faults:
            raise faults.pop()
        await told(name, ok, text)

    def concern(*given: Any) -> imap_concern.Concern:
        if faults:
            raise faults.pop()
        return whole(*given)

    if broken == "tell":
        monkeypatch.setattr(ledger, "tell", tell)
    else:
        monkeypatch.setattr(imap_concern, "Concern", concern)
    async with watching(ledger, settings(server.port, "house")):
        await ledger.ready()
    assert not faults
    if broken == "open":
        assert ledger.said[0] == (False, "127.0.0.1: the door broke (ValueError): see the log")
