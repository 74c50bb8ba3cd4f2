"""Every forgery by name, tried on a mail and on a text that are obeyed as they stand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from housecarl.errors import FormError
from housecarl.message import Kind, gate, read_form
from housecarl.syntax import parse
from housecarl.verdict import Proof

from .conftest import NOW, PASSED, World, arrived, forwarded, judged, mail, signed, text

HEATER = b"!plug heater on"
#: what Gmail covers: nothing twice, no Content-Type
GMAIL = "to:subject:message-id:date:from:mime-version"


class Bang:
    """The language of the house."""

    symbol, delimiter = "!", " "


def top(field: bytes) -> Callable[[bytes], bytes]:
    """A field is put above everything."""
    return lambda raw: field + b"\r\n" + raw


def sender(value: bytes) -> Callable[[bytes], bytes]:
    """The From that was signed stands inside one of the forger's."""
    old = b"\r\nFrom: "

    def forge(raw: bytes) -> bytes:
        start = raw.index(old) + len(old)
        end = raw.index(b"\r\n", start)
        return raw[:start] + value.replace(b"%", raw[start:end]) + raw[end:]

    return forge


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: raw.replace(old, new)


def below(raw: bytes) -> bytes:
    """A foreign Authentication-Results is the last field."""
    return raw.replace(
        b"\r\n\r\n", b"\r\nAuthentication-Results: " + PASSED.encode() + b"\r\n\r\n", 1
    )


FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "second From above": top(b"From: bo@gmail.com"),
    "second From below": swap(b"\r\nTo: ", b"\r\nFrom: bo@gmail.com\r\nTo: "),
    "second From with a blank before its colon": top(b"From : bo@gmail.com"),
    "an mbox line": top(b"From bo@gmail.com Wed Nov 25 12:00:00 2026"),
    "display name": sender(b'"bo@gmail.com" <eve@evil.example>'),
    "display name without quotes": sender(b"bo@gmail.com <eve@evil.example>"),
    "quoted local part": sender(b'"bo@gmail.com"@evil.example'),
    "comment": sender(b"bo@gmail.com (%)"),
    "encoded word": sender(b"=?utf-8?q?bo=40gmail.com?= <eve@evil.example>"),
    "encoded word as the address": sender(b"=?utf-8?q?bo=40gmail.com?="),
    "look-alike domain": sender(b"bo@gmai1.com"),
    "longer domain": sender(b"bo@gmail.com.evil.example"),
    "homograph": sender("b\u043e@gmail.com".encode()),
    "group": sender(b"us: bo@gmail.com;"),
    "route": sender(b"<@evil.example:bo@gmail.com>"),
    "two senders": sender(b"bo@gmail.com, eve@evil.example"),
    "null": sender(b"bo@gmail.com\0eve@evil.example"),
    "smuggled by a fold": sender(b"eve@evil.example\r\n From: bo@gmail.com"),
    "smuggled by a bare line feed": swap(
        b"\r\nTo: ", b"\r\nX: y\nSubject: !plug heater on\r\nTo: "
    ),
    "smuggled by a bare return": swap(b"\r\nTo: ", b"\r\nX: y\rSubject: !plug heater on\r\nTo: "),
    "smuggled by an early end": swap(b"\r\nTo: ", b"\r\n\r\n" + HEATER + b"\r\nTo: "),
    "smuggled by a blank line that is not empty": swap(
        b"\r\nTo: ", b"\r\n \r\n" + HEATER + b"\r\nTo: "
    ),
    "another Subject on top": top(b"Subject: " + HEATER),
    "another Message-ID on top": top(b"Message-ID: <other@example.org>"),
    "another Date on top": top(b"Date: Thu, 26 Nov 2026 12:00:00 +0000"),
    "another To on top": top(b"To: eve@evil.example"),
    "another body type on top": top(b"Content-Type: text/html"),
    "more below": lambda raw: raw + HEATER + b"\r\n",
    "more above the body": swap(b"\r\n\r\n", b"\r\n\r\n" + HEATER + b"\r\n"),
    "one word of the body": swap(b"plug lamp", b"plug heat"),
    "foreign results above for somebody else": lambda raw: top(
        b"Authentication-Results: " + PASSED.encode()
    )(sender(b"bo@gmail.com")(raw)),
    "foreign results below for somebody else": lambda raw: below(sender(b"bo@gmail.com")(raw)),
    "a length in the signature": swap(b" bh=", b" l=5; bh="),
    "another algorithm": swap(b"a=rsa-sha256", b"a=rsa-sha1"),
    "another signer": swap(b"; d=", b"; d=evil.example; x-d="),
}

MESSAGES = {
    "mail": signed(mail()),
    "mail, little signed": signed(mail(), h=GMAIL),
    "text": forwarded(),
}


@pytest.mark.parametrize("kind", MESSAGES)
@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forgery_makes_nobody_obeyed(world: World, kind: str, name: str) -> None:
    whole = MESSAGES[kind]
    assert (await judged(world, whole)).reason is None
    raw = FORGERIES[name](whole)
    assert raw != whole, "the forgery fits this message"
    try:
        form = gate(raw)
        message = read_form(form)
    except FormError:
        return
    found = await judged(world, raw, message=message)
    if found.proof is Proof.CLAIMED or found.reason or message.kind not in (Kind.MAIL, Kind.SMS):
        return
    assert found.person == "ann"
    calls = parse(message.text, message.subject, Bang(), most=5)
    assert [tuple(call.words) for call in calls] == [("plug", "lamp", "on")]


@pytest.mark.parametrize("place", [top(b"Authentication-Results: " + PASSED.encode()), below])
@pytest.mark.parametrize("door", ["smtp", "imap"])
async def test_foreign_results_prove_nothing_without_a_signature(
    world: World, place: Callable[[bytes], bytes], door: str
) -> None:
    for raw in (mail(), text(), signed(mail(), "evil.example"), signed(text(), "evil.example")):
        found = await judged(world, place(raw), arrived(door), host="mx.google.com")
        assert found.proof is Proof.CLAIMED and found.reason == "no-proof" and not found.keys


@pytest.mark.parametrize("kind", MESSAGES)
async def test_a_repeat_is_known_and_age_is_refused(world: World, kind: str) -> None:
    raw = MESSAGES[kind]
    first = await judged(world, raw)
    again = await judged(world, b"X-Trace: second\r\n" + raw, now=NOW + timedelta(hours=1))
    assert again.reason is None and set(again.keys) == set(first.keys) and first.keys
    late = await judged(world, raw, arrived(at=NOW), now=NOW + timedelta(days=3))
    assert late.reason in ("stale", "expired")
    moved = await judged(
        world, raw, arrived(at=NOW + timedelta(days=3)), now=NOW + timedelta(days=3)
    )
    assert moved.reason in ("stale", "expired"), "a later arrival makes it no younger"
