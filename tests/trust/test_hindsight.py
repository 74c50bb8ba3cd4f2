"""What a message obeyed in a former life tells: the same person, and at least the same keys."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from housecarl.message import Message, Stamp, gate, read_form
from housecarl.message.form import Form
from housecarl.trust.hindsight import keys_of, person_of

from .conftest import (
    NOW,
    NUMBER,
    OURS,
    PEOPLE,
    PHONE,
    Person,
    World,
    arrived,
    forwarded,
    mail,
    sealed,
    signed,
    text,
    trust,
)

UID = str(os.geteuid())
HOUSE = {**PEOPLE, "cy": Person(unix=[pwd.getpwuid(os.geteuid()).pw_name])}
ID = "<1@example.org>"
YAHOO = "from:to:subject:date:content-type"
BARE = mail().replace(b"Message-ID: <1@example.org>\r\n", b"")


def opened(raw: bytes) -> tuple[Form, Message]:
    form = gate(raw, needs_from=False)
    return form, read_form(form)


@pytest.mark.parametrize(
    ("raw", "stamp", "person"),
    [
        (mail(), arrived("drop", uid=UID), "cy"),
        (mail(), arrived("drop", uid=UID, as_person="bo"), "bo"),
        (mail(), arrived("drop", uid="4000000"), None),
        (mail(), arrived(login="bo"), "bo"),
        (mail(), arrived(login="zoe"), None),
        (mail(), arrived(), "ann"),
        (mail(), None, "ann"),
        (mail("eve@evil.example"), None, None),
        (text(), arrived("imap"), "ann"),
        (text(), None, "ann"),
        (text(sender="+13035559999"), None, None),
    ],
)
def test_whom_it_was_from_is_told_by_what_proved_it(
    raw: bytes, stamp: Stamp | None, person: str | None
) -> None:
    """The uid before the login, the login before what the message says of itself."""
    assert person_of(HOUSE, opened(raw)[1], stamp) == person


def keys(raw: bytes, stamp: Stamp | None) -> tuple[str, ...]:
    return keys_of(*opened(raw), stamp)


def test_a_file_has_the_key_of_its_door() -> None:
    assert keys(mail(), arrived("drop", key="k1", uid=UID)) == ("drop:k1",)
    assert keys(mail(), arrived("drop", key="k1")) == ("drop:k1",)
    assert keys(mail(), arrived("job", key="k1", uid="0", as_person="bo")) == ("drop:k1",)
    assert keys(mail(), arrived("drop", uid=UID)) == ()


def test_a_mail_is_known_by_its_message_id_under_each_name_its_sender_can_have_had() -> None:
    assert keys(mail(), arrived()) == (f"id:ann@example.org:{ID}", f"id:None:{ID}")
    assert keys(mail(), None) == keys(mail(), arrived())
    assert keys(mail(), arrived(login="bo")) == (
        f"id:ann@example.org:{ID}",
        f"id:login:bo:{ID}",
        f"id:None:{ID}",
    )


def test_a_text_is_known_by_its_number() -> None:
    made = f"<{NUMBER}.dcbdc1@txt.voice.google.com>"
    found = keys(text(), arrived("imap"))
    assert f"id:{PHONE}:{made}" in found and f"id:None:{made}" in found and len(found) == 3


def test_each_signature_is_a_key_once_and_a_broken_one_is_none() -> None:
    one = [key for key in keys(signed(BARE), arrived()) if key.startswith("sig:")]
    assert len(one) == 2 and keys(signed(BARE), arrived()) == tuple(one), "and the content"
    two = keys(signed(signed(BARE), s="s2"), arrived())
    assert len(two) == 3 and set(one) < set(two)
    assert keys(b"DKIM-Signature: v=1\r\n" + signed(BARE), arrived()) == tuple(one)
    assert keys(signed(BARE).replace(b"DKIM-", b"X-DKIM-", 1), arrived()) == ()


async def test_whatever_was_remembered_of_a_verdict_is_found_again(world: World) -> None:
    """Else what the lost journal knew as done could be done once more."""
    seal: dict[str, Any] = {"h": "from:to:subject:date:message-id:content-type"}
    passed = "mx; dkim=pass header.d=example.org; dmarc=pass header.from=example.org"
    for raw, stamp in (
        (signed(mail()), arrived(rcpt_to=OURS)),
        (signed(BARE), arrived()),
        (signed(mail(), h=YAHOO), arrived()),
        (signed(signed(mail()), s="gone"), arrived()),
        (forwarded(), arrived()),
        (sealed(mail(), 1, "forward.example", results=passed, **seal), arrived()),
        (mail(), arrived(login="ann")),
        (mail("eve@evil.example"), arrived(login="ann")),
        (BARE, arrived(login="ann")),
        (BARE.replace(b"Date:", b"X-Date:"), arrived(login="ann")),
        (BARE.replace(b"ann@example.org", b"eve@evil.example"), arrived(login="ann")),
        (mail(), arrived("drop", key="k1", uid="0", as_person="bo")),
    ):
        form, message = opened(raw)
        judge = trust(world, forwarders=["forward.example"])
        found = await judge.verify(form, message, stamp, NOW)
        assert found.reason is None and found.keys, found
        assert set(found.keys) <= set(keys_of(form, message, stamp))
