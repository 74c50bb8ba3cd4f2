"""DKIM: what real signers do holds, what dkimpy alone would let pass does not."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dkim
import pytest
from dkim.crypto import parse_pem_private_key
from nacl.encoding import Base64Encoder
from nacl.signing import SigningKey
from tests import cost

from housecarl.errors import FormError, TrustLater
from housecarl.message import read
from housecarl.verdict import Proof

from .conftest import (
    NOW,
    PHONE,
    T,
    World,
    arrived,
    forwarded,
    judged,
    mail,
    rsa_pem,
    rsa_record,
    signed,
)

#: made once with openssl: current libraries refuse to make so short a key
SHORT = b"""-----BEGIN RSA PRIVATE KEY-----
MIIBOwIBAAJBANqvM04SRXob9w5SMwUEmi7Kzd4CffrtqTl7tYFZqwZqdDHmta0A
4iMqI02ubV6Ws0SZ7OVl12ThgbBQ9iT/V+MCAwEAAQJBAIr1QTiey58oHfjvqpPJ
tN9+5wnns327fwiT32XuQIq19UirQb7yk7fgAW9mWcTqfJc2sdT0f/RS6dTP/zg4
iOECIQD4eVdDoEJPm2d6z4Id4dY96PvYvgX5TBUy8iNtv1loTQIhAOFO3zLXbsNy
tqzTAfwojmKcPiYuErNUtGsFuMH1ntjvAiAVAQzjZpS0bgqdUxVIuWKG8T7433dZ
z5irKdTc3iQMsQIhAJ5CWoFJ1eGvqCUJKnHGwwz9FqKW5kfVDc3G/Rowv109AiAY
ex/i5ZGCC10/OE1gCxCVCdK101a9tVqYhZBwPjLCrw==
-----END RSA PRIVATE KEY-----
"""


def rsa_der(bits: int, exponent: int = 65537, low: int = 12345) -> str:
    """A record whose modulus is that long and ends so; nobody has its private key."""

    def item(tag: int, data: bytes) -> bytes:
        length = len(data)
        if length < 128:
            return bytes((tag, length)) + data
        size = (length.bit_length() + 7) // 8
        return bytes((tag, 0x80 | size)) + length.to_bytes(size) + data

    modulus = (1 << (bits - 1)) | low
    numbers = [item(2, b"\0" + n.to_bytes((n.bit_length() + 7) // 8)) for n in (modulus, exponent)]
    return "v=DKIM1; p=" + base64.b64encode(item(0x30, b"".join(numbers))).decode()


async def test_a_signature_of_the_senders_own_domain_proves_them(world: World) -> None:
    found = await judged(world, signed(mail()))
    assert (found.person, found.sender) == ("ann", "ann@example.org")
    assert (found.proof, found.reason) == (Proof.SIGNED, None)
    assert found.sent == NOW - timedelta(seconds=2)
    assert found.keys[0] == "id:ann@example.org:<1@example.org>"
    assert found.keys[1].startswith("sig:")


REAL = {
    "gmail": "to:subject:message-id:date:from:mime-version:from:to:cc:subject:date"
    ":message-id:reply-to",
    "outlook": "From:Date:Subject:Message-ID:Content-Type:MIME-Version:X-MS-Exchange-SenderADCheck",
    "yahoo": "Date:From:Reply-To:To:Subject:References:From:Subject:Reply-To",
    "icloud": "from:content-type:mime-version:subject:message-id:date:to:x-icloud-hme",
    "fastmail": "cc:content-type:content-type:date:date:from:from:in-reply-to:in-reply-to"
    ":message-id:mime-version:reply-to:subject:subject:to:to",
    "proton": "Date:To:From:Subject:Message-ID:Feedback-ID:From:To:Cc:Date:Subject:Reply-To"
    ":Feedback-ID:Message-ID:BIMI-Selector",
    "opendkim": "From:To:Subject:Date:From",
}
MIXED = b"--b1\r\nContent-Type: text/plain\r\n\r\n!plug lamp on\r\n--b1--\r\n"


@pytest.mark.parametrize("canon", ["relaxed/relaxed", "simple/simple", "relaxed/simple", "simple"])
@pytest.mark.parametrize("host", REAL)
async def test_the_field_lists_of_real_signers_are_enough(
    world: World, host: str, canon: str
) -> None:
    raw = mail(kind='multipart/alternative; boundary="b1"', body=MIXED)
    found = await judged(world, signed(raw, h=REAL[host], c=canon))
    assert (found.proof, found.reason) == (Proof.SIGNED, None), found.checks


async def test_an_old_preamble_is_no_other_boundary(world: World) -> None:
    said = b"This is a multi-part message in MIME format.\r\n\r\n"
    raw = mail(kind='multipart/alternative; boundary="b1"', body=said + MIXED)
    assert (await judged(world, signed(raw, h=REAL["proton"]))).reason is None
    raw = mail(kind='multipart/alternative; boundary="b1"', body=b"Not now.\r\n" + MIXED)
    found = await judged(world, signed(raw, h=REAL["proton"]))
    assert found.checks["dkim"] == "uncovered-content-type"


@pytest.mark.parametrize(
    "tags",
    [
        {"i": "ann@example.org"},
        {"i": "@news.example.org"},
        {"q": "dns/txt"},
        {"t": None},
        {"x": str(T + 60)},
        {"c": None},
        {"darn": "home.example"},
        {"z": "From:ann@example.org"},
    ],
    ids=str,
)
async def test_tags_that_real_signers_write_do_no_harm(world: World, tags: dict[str, Any]) -> None:
    assert (await judged(world, signed(mail(), **tags))).reason is None


async def test_what_dkimpy_signs_by_itself_holds(world: World) -> None:
    now = datetime.now(UTC)
    raw = mail().replace(b"Wed, 25 Nov 2026 11:59:58", now.strftime("%a, %d %b %Y %T").encode())
    top = dkim.sign(raw, b"s1", b"example.org", rsa_pem())
    assert (await judged(world, top + raw, now=now)).reason is None


def ed25519(world: World, flags: str = "") -> SigningKey:
    """A key that example.org publishes under `ed`, in the form in which dkimpy signs with it."""
    key = SigningKey.generate()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    world.publish("example.org", f"v=DKIM1; k=ed25519; {flags}p={public}", "ed")
    return SigningKey(key.encode(Base64Encoder), encoder=Base64Encoder)


async def test_ed25519_holds(world: World) -> None:
    key = ed25519(world, "t=s; ")
    assert (await judged(world, signed(mail(), ed=key, s="ed"))).reason is None


async def test_a_strict_ed25519_key_signs_for_no_subdomain(world: World) -> None:
    key = ed25519(world, "t=s; ")
    found = await judged(world, signed(mail(), ed=key, s="ed", i="@sub.example.org"))
    assert found.checks["dkim"] == "identity"


@pytest.mark.parametrize("size", [1, 63, 64, 65, 256])
async def test_an_ed25519_signature_that_is_none_is_refused(world: World, size: int) -> None:
    """Also where the library raises instead of saying no."""
    raw = signed(mail(), ed=ed25519(world), s="ed")
    value = raw.rpartition(b" b=")[2].partition(b"\r\nFrom:")[0]
    raw = raw.replace(value, base64.b64encode(b"x" * size))
    assert (await judged(world, raw)).checks["dkim"] == "signature"


async def test_a_parent_domain_is_aligned_a_child_a_sibling_and_a_top_level_are_not(
    world: World,
) -> None:
    raw = mail("ann@mail.example.org")
    assert (await judged(world, signed(raw))).reason is None
    for domain in ("a.mail.example.org", "news.example.org", "org", "example.org.evil.example"):
        world.publish(domain)
        assert (await judged(world, signed(raw, domain))).reason == "no-proof"


async def test_one_good_signature_among_others_is_enough(world: World) -> None:
    raw = signed(mail())
    raw = signed(raw, s="gone")
    raw = signed(raw, l="5")
    raw = signed(raw, "evil.example")
    assert (await judged(world, raw)).reason is None


async def test_of_each_signature_it_is_said_what_is_wrong_with_it(world: World) -> None:
    assert (await judged(world, mail())).checks["dkim"] == "none"
    raw = signed(signed(mail(), s="gone"), l="5")
    assert (await judged(world, raw)).checks["dkim"] == "length-tag key-gone"


async def test_only_five_signatures_are_looked_at(world: World) -> None:
    raw = signed(mail())
    for number in range(5):
        raw = signed(raw, s=f"gone{number}")
    world.asked.clear()
    assert (await judged(world, raw)).reason == "no-proof"
    assert len(world.asked) == 5


async def test_a_stranger_costs_no_question_to_dns(world: World) -> None:
    raw = signed(mail("eve@evil.example"), "evil.example")
    found = await judged(world, raw)
    assert (found.person, found.reason, found.keys) == (None, "stranger", ())
    raw = signed(mail(), "evil.example")
    assert (await judged(world, raw)).reason == "no-proof"
    assert world.asked == []


BAD: dict[str, dict[str, Any]] = {
    "length-tag": {"l": "15"},
    "algorithm": {"a": "rsa-sha1"},
    "expired": {"x": str(T - 1), "t": str(T - 60)},
    "future": {"t": str(T + 700)},
    "syntax": {"x": str(T + 5), "t": str(T + 10)},
    "identity": {"i": "@example.orgx"},
    "canonicalization": {"c": "relaxed/none"},
    "selector": {"s": "a..b"},
    "domain": {"d": "org"},
    "uncovered-subject": {"h": "from:to:date:message-id:content-type"},
    "uncovered-from": {"h": "to:subject:date:message-id:content-type"},
    "no-time": {"t": None, "h": "from:to:subject:message-id:content-type"},
}


@pytest.mark.parametrize("word", BAD)
async def test_a_signature_is_refused_for(world: World, word: str) -> None:
    tags = dict(BAD[word])
    if tags.get("c") == "relaxed/none":
        raw = signed(mail()).replace(b"c=relaxed/relaxed", b"c=relaxed/none")
    else:
        raw = signed(mail(), **tags)
    found = await judged(world, raw)
    assert found.proof is Proof.CLAIMED and found.person == "ann" and not found.keys
    assert found.checks["dkim"] == word
    assert found.reason == ("expired" if word == "expired" else "no-proof")


@pytest.mark.parametrize("tag", [b"v=1; ", b"v=2; ", b"q=x; ", b"d=example.org; d=evil.example; "])
async def test_a_tag_list_that_is_not_sound_is_refused(world: World, tag: bytes) -> None:
    raw = signed(mail())
    raw = raw.replace(b"v=1; ", b"" if tag == b"v=1; " else tag, 1)
    assert (await judged(world, raw)).proof is Proof.CLAIMED


async def test_a_body_appended_behind_a_length_is_refused(world: World) -> None:
    # without t=: dkimpy goes by the clock of the machine
    raw = signed(mail(body=b"hello\r\n"), l="7", t=None) + b"!plug heater on\r\n"
    assert dkim.verify(raw, dnsfunc=lambda *_, **__: rsa_record(rsa_pem()).encode())
    assert (await judged(world, raw)).reason == "no-proof"


KEYS = {
    "key-test": "v=DKIM1; t=y; ",
    "key-test ": "t=s:y; ",
    "key-use": "v=DKIM1; h=sha1; ",
    "key-use ": "v=DKIM1; s=other; ",
    "key-form": "v=DKIM2; ",
    "key-form ": "v=DKIM1; k=dsa; ",
    "key-form  ": "v=DKIM1; v=DKIM1; ",
    "identity": "v=DKIM1; t=s; ",
    "algorithm": "v=DKIM1; k=ed25519; ",
}


@pytest.mark.parametrize("word", KEYS)
async def test_a_key_is_refused_for(world: World, word: str) -> None:
    public = rsa_record(rsa_pem()).partition("p=")[2]
    if word == "algorithm":
        public = base64.b64encode(bytes(SigningKey.generate().verify_key)).decode()
    world.publish("example.org", KEYS[word] + "p=" + public)
    found = await judged(world, signed(mail(), i="@sub.example.org"))
    assert (found.proof, found.checks["dkim"]) == (Proof.CLAIMED, word.strip())


@pytest.mark.parametrize("record", ["v=DKIM1; p=", "v=spf1 -all", ""])
async def test_a_key_taken_back_or_not_there_is_refused(world: World, record: str) -> None:
    world.publish("example.org", record)
    assert (await judged(world, signed(mail()))).checks["dkim"] == "key-gone"


@pytest.mark.parametrize(
    "start",
    [
        "",
        "k=rsa; ",
        "v=DKIM1; h=sha1:SHA256; s=email:other; ",
        "v=DKIM1; s=other:*; n=a note; ",
        "v=DKIM1; p =",
    ],
)
async def test_a_key_record_says_little_or_much(world: World, start: str) -> None:
    public = rsa_record(rsa_pem()).partition("p=")[2]
    world.publish("example.org", start + ("" if start.endswith("=") else "p=") + public)
    assert (await judged(world, signed(mail()))).reason is None


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ("v=DKIM1; p=!", "key-form"),
        ("v=DKIM1; p=AAAA", "key-form"),
        ("v=DKIM1; k=ed25519; p=AAAA", "key-form"),
        ("v=DKIM1; n=" + "x" * 1024 + "; p=AAAA", "key-form"),
        (rsa_der(1023), "key-size"),
        (rsa_der(1024), "signature"),
        (rsa_der(4097), "key-size"),
        (rsa_der(2048, 1), "key-size"),
        (rsa_der(2048, 3), "signature"),
        (rsa_der(2048, 65536), "key-size"),
        (rsa_der(2048, (1 << 32) + 1), "key-size"),
        (rsa_der(2048, low=12348), "key-size"),
    ],
)
async def test_a_key_that_is_none_or_too_weak_is_refused(
    world: World, record: str, word: str
) -> None:
    world.publish("example.org", record)
    assert (await judged(world, signed(mail()))).checks["dkim"] == word


@pytest.mark.parametrize(("size", "word"), [(1024, "pass example.org"), (1025, "key-form")])
async def test_a_record_is_read_up_to_1024_bytes(world: World, size: int, word: str) -> None:
    record = rsa_record(rsa_pem()) + "; n="
    world.publish("example.org", record + "x" * (size - len(record)))
    assert (await judged(world, signed(mail()))).checks["dkim"] == word


@pytest.mark.parametrize(
    ("default", "word"), [("simple/simple", "pass example.org"), ("relaxed/relaxed", "body")]
)
async def test_a_signature_that_names_no_canonicalization_is_simple(
    world: World, default: str, word: str
) -> None:
    raw = mail(body=b"!plug  lamp on \r\n")
    found = await judged(world, signed(raw, c=None, default=default))
    assert found.checks["dkim"] == word


async def test_two_keys_under_one_name_are_none(world: World) -> None:
    world.records["s1._domainkey.example.org"] *= 2
    assert (await judged(world, signed(mail()))).checks["dkim"] == "key-form"


async def test_other_records_under_the_name_do_no_harm(world: World) -> None:
    world.records["s1._domainkey.example.org"].append("v=spf1 -all")
    assert (await judged(world, signed(mail()))).reason is None


async def test_a_strict_key_and_its_own_domain_as_identity_hold(world: World) -> None:
    world.publish("example.org", rsa_record(rsa_pem()).replace("k=rsa", "t=s; s=email; h=sha256"))
    assert (await judged(world, signed(mail(), i="@example.org"))).reason is None


async def test_a_key_of_512_bits_is_refused(world: World) -> None:
    world.publish("example.org", rsa_record(SHORT))
    found = await judged(world, signed(mail(), pem=SHORT))
    assert found.checks["dkim"] == "key-size"


@pytest.mark.parametrize(("bits", "word"), [(4096, "signature"), (5000, "key-size")])
async def test_keys_end_at_4096_bits(world: World, bits: int, word: str) -> None:
    world.publish("example.org", rsa_der(bits))
    assert (await judged(world, signed(mail()))).checks["dkim"] == word


@pytest.mark.parametrize("record", [rsa_der(32768), rsa_der(2048, (1 << 2047) | 1)])
async def test_a_hostile_key_costs_no_time(world: World, record: str) -> None:
    world.publish("example.org", record)
    raw = signed(mail())
    with cost.at_most(0.25):
        assert (await judged(world, raw)).checks["dkim"] in ("key-form", "key-size")


async def test_blanks_in_a_signature_cost_no_time(world: World) -> None:
    raw = signed(mail())
    padded = raw.replace(b" b=", b" b=" + (b"\r\n " + b" " * 900) * 3, 1)
    with cost.at_most(0.25):
        assert (await judged(world, padded)).checks["dkim"] == "syntax"
        with pytest.raises(FormError):
            read(raw.replace(b" b=", b" b=" + (b"\r\n " + b" " * 900) * 70, 1))


async def test_blanks_in_a_body_cost_no_time(world: World) -> None:
    body = (b" " * 998 + b"\r\n") * 250
    raw = signed(mail(body=b"!plug lamp on\r\n")) + body
    with cost.at_most(0.25):
        assert (await judged(world, raw)).reason is None, "blank lines at the end are not signed"


@pytest.mark.parametrize("on_top", [b"Subject: !plug heater on\r\n", b"Date: x\r\n"])
async def test_an_unsigned_field_on_top_is_refused(world: World, on_top: bytes) -> None:
    raw = on_top + signed(mail(body=b"\r\n"), h="from:to:subject:date:message-id:content-type")
    try:
        found = await judged(world, raw)
    except FormError:
        return  # the gate takes one of each only
    assert found.proof is Proof.CLAIMED


async def test_an_unsigned_subject_where_there_was_none_is_refused(world: World) -> None:
    raw = mail(body=b"\r\n").replace(b"Subject: hello\r\n", b"")
    raw = signed(raw, h="from:to:date:message-id:content-type")
    assert (await judged(world, raw)).reason is None
    found = await judged(world, b"Subject: !plug heater on\r\n" + raw)
    assert found.checks["dkim"] == "uncovered-subject"


@pytest.mark.parametrize(
    "kind",
    ['multipart/mixed; boundary="old"', "text/plain; charset=utf-16", "message/rfc822", "text/x"],
)
async def test_an_unsigned_content_type_that_turns_the_body_over_is_refused(
    world: World, kind: str
) -> None:
    body = b"hello\r\n--old\r\n\r\n!plug heater on\r\n--old--\r\n"
    raw = signed(mail(body=body, kind=""), h="from:to:subject:date:message-id")
    turned = raw.replace(b"Subject:", f"Content-Type: {kind}\r\nSubject:".encode(), 1)
    if "rfc822" not in kind:
        assert (await judged(world, turned)).checks["dkim"] == "uncovered-content-type"
    plain = raw.replace(b"Subject:", b"Content-Type: text/plain; charset=UTF-8\r\nSubject:", 1)
    assert (await judged(world, plain)).reason is None


async def test_the_dashes_above_a_forwarded_message_are_no_boundary(world: World) -> None:
    """Else who wrote the message that one of us sent on would be obeyed."""
    dashes = "---------- Forwarded message ---------"
    body = f"{dashes}\r\nFrom: Eve <eve@evil.example>\r\nSubject: x\r\n\r\n!plug heater on\r\n"
    raw = signed(mail(body=body.encode(), kind=""), h=REAL["gmail"])
    kind = f'Content-Type: multipart/mixed; boundary="{dashes[2:]}"\r\nSubject:'
    turned = raw.replace(b"Subject:", kind.encode(), 1)
    assert read(turned).text == "!plug heater on"
    assert (await judged(world, turned)).checks["dkim"] == "uncovered-content-type"


@pytest.mark.parametrize(
    ("kind", "body", "holds"),
    [
        ("text/html", b"!plug lamp\r\noff to bed\r\n", False),
        ("text/html", b"<div>!plug lamp</div>off to bed\r\n", True),
        ("text/plain; format=flowed", b"!plug lamp \r\noff to bed\r\n", True),
        ("text/plain; format=FLOWED; delsp=yes", b"!plug lamp \r\noff\r\n", True),
        ("text/plain; format=flowed", b"!ping\r\n\r\n!plug lamp \r\noff\r\n", True),
        ("text/plain; format=flowed", b"!say " + b"word " * 12 + b"\r\nand more\r\n", True),
    ],
)
async def test_an_unsigned_content_type_does_not_join_lines(
    world: World, kind: str, body: bytes, holds: bool
) -> None:
    raw = signed(mail(body=body, kind=""), h=REAL["gmail"])
    turned = raw.replace(b"Subject:", f"Content-Type: {kind}\r\nSubject:".encode(), 1)
    found = (await judged(world, turned)).checks["dkim"]
    assert found.startswith("pass" if holds else "uncovered-content-type")
    if b"lamp \r\n" in body:
        assert read(turned).text.split("\n")[-1].startswith("off")


FORGED = [
    "eve@evil.example\r\nFrom: ann@example.org",
    "ann@example.org, eve@evil.example",
    '"ann@example.org" <eve@evil.example>',
    "ann@example.org <eve@evil.example>",
    '"ann@example.org"@evil.example',
    "ann@example.org(x@evil.example)",
    "=?utf-8?q?ann=40example.org?= <eve@evil.example>",
    "=?utf-8?q?ann=40example.org=3E?= <eve@evil.example>",
    "ann@example.org.evil.example",
    "ann@examp1e.org",
    "\u0430nn@example.org",
    "friends: ann@example.org;",
    "<@evil.example:ann@example.org>",
    "<ann@example.org> <eve@evil.example>",
    "ann@example.org\0@evil.example",
    "eve@evil.example\r\n ann@example.org",
    "eve@evil.example\r\nX: y\r\n\tFrom: ann@example.org",
]


@pytest.mark.parametrize("sender", FORGED)
@pytest.mark.parametrize("domain", ["evil.example", "example.org.evil.example", "examp1e.org"])
async def test_a_from_that_only_looks_like_ours_is_nobody(
    world: World, sender: str, domain: str
) -> None:
    world.publish(domain)
    raw = mail(sender)
    raw = signed(raw, domain) if sender.isascii() and "\0" not in sender else raw
    try:
        message = read(raw)
    except FormError:
        return
    found = await judged(world, raw, message=message)
    assert found.proof is Proof.CLAIMED or found.person is None


async def test_missing_dns_means_later_and_never_yes(world: World) -> None:
    world.silent.add("s1._domainkey.example.org")
    with pytest.raises(TrustLater):
        await judged(world, signed(mail()))
    world.publish("example.org", selector="s2")
    for other in (signed(signed(mail()), s="s2"), signed(signed(mail(), s="s2"))):
        assert (await judged(world, other)).reason is None, "another signature held meanwhile"


@pytest.mark.parametrize(
    ("raw", "sender", "name"),
    [
        (signed(mail()), "ann@example.org", "example.org"),
        (forwarded(), PHONE, "google.com"),
    ],
    ids=["mail", "text"],
)
async def test_missing_dns_is_waited_for_as_long_as_a_message_may_be_old(
    world: World, raw: bytes, sender: str, name: str
) -> None:
    """By the time of its arrival; then it is refused, and says whom it claims to be from."""
    world.silent.add(f"s1._domainkey.{name}")
    with pytest.raises(TrustLater):
        await judged(world, raw, arrived(), now=NOW + timedelta(days=2))
    with pytest.raises(TrustLater):
        await judged(world, raw, arrived(at=NOW + timedelta(days=9)), now=NOW)
    found = await judged(world, raw, arrived(), now=NOW + timedelta(days=2, seconds=1))
    assert (found.person, found.sender, found.reason) == ("ann", sender, "stale")
    assert (found.proof, found.keys, found.checks["dkim"]) == (Proof.CLAIMED, (), "dns")


async def test_old_and_unborn_messages_are_known_but_refused(world: World) -> None:
    found = await judged(world, signed(mail(), t=str(T - 2 * 86400 - 60)))
    assert (found.person, found.proof, found.reason) == ("ann", Proof.SIGNED, "stale")
    later = NOW + timedelta(days=3)
    for expires in (None, str(T + 365 * 86400)):
        undated = signed(mail(), t=None, x=expires)
        assert (await judged(world, undated, arrived(at=later), now=later)).reason == "stale"


@pytest.mark.parametrize("expires", [None, str(T + 365 * 86400)], ids=["for ever", "a year"])
@pytest.mark.parametrize(
    ("date", "found"),
    [
        ("Wed, 25 Nov 2026 10:00:00 +0000", timedelta()),
        ("Wed, 25 Nov 2026 09:59:59 +0000", timedelta(hours=2, seconds=1)),
        ("Wed, 25 Nov 2026 02:59:59 -0700", timedelta(hours=2, seconds=1)),
        ("Wed, 25 Nov 2026 09:59:59 -0000", timedelta(hours=2, seconds=1)),
        ("Mon, 23 Nov 2026 12:00:00 +0000", timedelta(days=2)),
        ("Wed, 25 Nov 2026 04:59:58 -0700", timedelta()),
        ("Fri, 27 Nov 2026 12:00:00 +0000", timedelta()),
        ("Fri, 27 Nov 2026 12:00:01 +0000", "future"),
        ("yesterday", "no-time"),
        ("Wed, 25 Nov 99999 11:59:58 +0000", "no-time"),
        ("", "no-time"),
        (None, "no-time"),
    ],
)
async def test_a_signature_without_a_time_has_the_signed_date(
    world: World, date: str | None, found: timedelta | str, expires: str | None, denver: None
) -> None:
    """Where it is older than a wrong clock or zone explains: else a change could be held back."""
    line = b"Date: Wed, 25 Nov 2026 11:59:58 +0000\r\n"
    raw = mail().replace(line, b"" if date is None else f"Date: {date}\r\n".encode())
    verdict = await judged(world, signed(raw, t=None, x=expires))
    if isinstance(found, str):
        assert (verdict.proof, verdict.checks["dkim"]) == (Proof.CLAIMED, found)
    else:
        assert (verdict.reason, verdict.sent) == (None, NOW - found)


@pytest.fixture
def denver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The zone of this machine, which is nothing to a mail."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "America/Denver")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({"t": str(T + 600)}, "pass example.org"),
        ({"t": str(T + 601)}, "future"),
        ({"t": str(T - 60), "x": str(T + 1)}, "pass example.org"),
        ({"t": str(T - 60), "x": str(T)}, "expired"),
        ({"t": None, "x": str(T + 1)}, "pass example.org"),
        ({"t": None, "x": str(T)}, "expired"),
        ({"t": str(T + 5), "x": str(T + 5)}, "pass example.org"),
        ({"v": "2"}, "syntax"),
        ({"v": None}, "syntax"),
        ({"q": "dns/other:dns/txt"}, "pass example.org"),
        ({"q": "dns/other"}, "syntax"),
        ({"i": "ann@sub.example.org"}, "pass example.org"),
        ({"i": "@Example.ORG"}, "pass example.org"),
        ({"i": "example.org"}, "identity"),
        ({"c": "simple"}, "pass example.org"),
        ({"c": "relaxed"}, "pass example.org"),
        ({"h": "from:subject:content-type" + ":x" * 125}, "pass example.org"),
        ({"h": "from:subject:content-type" + ":x" * 126}, "syntax"),
    ],
)
async def test_what_a_signature_says_of_itself_is_taken_at_its_word(
    world: World, tags: dict[str, Any], word: str
) -> None:
    found = (await judged(world, signed(mail(), **tags))).checks["dkim"]
    assert found.partition(" (")[0] == word


async def test_a_signature_with_nothing_signed_is_refused(world: World) -> None:
    raw = signed(mail()).replace(b"h=", b"hh=", 1)
    assert (await judged(world, raw)).checks["dkim"] == "syntax"


async def test_a_refolded_signature_is_the_same_message(world: World) -> None:
    raw = signed(mail(), h=REAL["yahoo"])
    again = raw.replace(b"<1@example.org>", b"<2@example.org>")
    one, two = await judged(world, raw), await judged(world, again)
    assert one.reason is two.reason is None, "this signer does not cover Message-ID"
    assert set(one.keys) & set(two.keys) == set(one.keys[1:])


@pytest.mark.parametrize(
    "change", [(b"", b""), (b"plug lamp", b"plug  lamp"), (b": h", b":\r\n  h")]
)
async def test_with_either_of_its_signatures_it_is_the_same_message(
    world: World, change: tuple[bytes, bytes]
) -> None:
    """Where neither covers Message-ID: whoever carries it could hand in one after the other."""
    world.publish("example.org", selector="s2")
    raw = mail()
    other = signed(raw, h=REAL["yahoo"], s="s2").replace(b"<1@", b"<2@").replace(*change)
    one, two = await judged(world, signed(raw, h=REAL["yahoo"])), await judged(world, other)
    assert one.reason is two.reason is None
    assert set(one.keys) & set(two.keys)
    for new in (b"11:59:59", b"11:59:58"):
        later = signed(mail(message_id="<3@x>").replace(b"11:59:58", new), h=REAL["yahoo"])
        again = set((await judged(world, later)).keys) & set(one.keys)
        assert bool(again) == (new == b"11:59:58"), "the same words a second later are new"
    later = signed(mail(message_id="<3@x>"))
    assert not set((await judged(world, later)).keys) & set(one.keys), "a signed Message-ID tells"


@pytest.mark.parametrize(
    "date", [b"Thu, 01 Jan 1970 00:00:07", b"yesterday", b"Sat, 28 Nov 2026 12:00"]
)
async def test_what_a_clock_that_stands_still_sends_twice_is_two_messages(
    world: World, date: bytes
) -> None:
    """Such as of a device that sends before its clock is set, each time it is switched on."""
    now = NOW + timedelta(hours=1)
    mails = [
        mail(message_id=f"<{n}@x>").replace(b"Wed, 25 Nov 2026 11:59:58", date) for n in (1, 2)
    ]
    one = await judged(world, signed(mails[0], h=REAL["yahoo"]))
    again = signed(mails[1], h=REAL["yahoo"], t=str(T + 3600))
    two = await judged(world, again, arrived(at=now), now=now)
    assert one.reason is two.reason is None
    assert not set(one.keys) & set(two.keys)


async def test_a_signature_value_above_the_modulus_is_refused(world: World) -> None:
    raw = signed(mail())
    value = raw.rpartition(b" b=")[2].partition(b"\r\nFrom:")[0]
    number = int.from_bytes(base64.b64decode(b"".join(value.split())))
    modulus = int(parse_pem_private_key(rsa_pem())["modulus"])
    size = 256 if number + modulus < 1 << 2048 else 257
    other = base64.b64encode((number + modulus).to_bytes(size))
    twin = raw.replace(value, b"\r\n ".join(other[i : i + 70] for i in range(0, len(other), 70)))
    assert (await judged(world, raw)).reason is None
    assert (await judged(world, twin)).checks["dkim"] == "signature"


@pytest.mark.parametrize("lead", [b"\0", b"\0" * 20])
async def test_a_signature_value_longer_than_the_modulus_is_refused(
    world: World, lead: bytes
) -> None:
    """Else each number of zeros before it would make another message of the same one."""
    raw = signed(mail())
    value = raw.rpartition(b" b=")[2].partition(b"\r\nFrom:")[0]
    other = base64.b64encode(lead + base64.b64decode(b"".join(value.split())))
    twin = raw.replace(value, b"\r\n ".join(other[i : i + 70] for i in range(0, len(other), 70)))
    assert (await judged(world, twin)).checks["dkim"] == "signature"
