"""A mail in which nothing tells it from its own repeat is not obeyed, and its sender hears why."""

from __future__ import annotations

from pathlib import Path

from tests.stories.talk import inside
from tests.trust.conftest import NOW, mail, signed

from housecarl.message.stamp import Stamp
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse

ABOVE = (
    b"Received: from a by mx.example.org with ESMTPS id 1; now\r\n"
    b"Authentication-Results: mx.example.org; dkim=pass header.d=example.org;"
    b" dmarc=pass header.from=example.org\r\n"
)


def test_its_sender_is_not_told_that_it_was_late(tmp_path: Path) -> None:
    """The mail host vouches for it, its key is gone, and it has no Message-ID."""
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}}
    trust = {"authserv_id": "mx.example.org"}
    raw = ABOVE + signed(mail().replace(b"Message-ID: <1@example.org>\r\n", b""), s="gone")
    with TestHouse(tmp_path, people, clock=FakeClock(NOW), trust=trust) as house:
        house.do(inside(house).deliver(raw, Stamp("imap", NOW, imap="1.1")))
        (answer,) = house.inbox.wait(to="ann@example.org")
        assert house.log()[0].endswith(": no-key")
    assert answer.text.splitlines()[0] == (
        "Not done: this mail has no Message-ID, so I cannot tell it from a repeat. "
        "Send it from another program."
    )
