"""Google Voice: Google's signature, our number, our account, sealed on the way to us."""

from __future__ import annotations

from datetime import timedelta

import pytest

from housecarl.errors import TrustLater
from housecarl.message import gate, read, read_form
from housecarl.verdict import Proof

from .conftest import (
    NOW,
    OURS,
    PHONE,
    T,
    Voice,
    World,
    arrived,
    forwarded,
    judged,
    sealed,
    signed,
    text,
    trust,
)

QUOTED = "Content-Transfer-Encoding: quoted-printable"
STRICT = "from:to:subject:date:message-id"
CAF = "house+caf_=cmd=home.example@gmail.com"


def noreply(account: str = "house@gmail.com") -> bytes:
    raw = text(account)
    start, end = raw.index(b"From: "), raw.index(b"To: ")
    return raw[:start] + b"From: Google Voice <voice-noreply@google.com>\r\n" + raw[end:]


async def test_a_forwarded_text_proves_the_carrier_and_no_more(world: World) -> None:
    stamp = arrived(mail_from=CAF, rcpt_to=OURS)
    found = await judged(world, forwarded(), stamp)
    assert (found.person, found.sender) == ("ann", PHONE)
    assert (found.proof, found.reason, found.token) == (Proof.CARRIER, None, "Qx7bN2mR-e")
    assert found.sent is not None and found.sent.timestamp() == T - 2


async def test_the_form_without_a_reply_address_holds_for_our_account_only(world: World) -> None:
    found = await judged(world, forwarded(noreply()))
    assert (found.person, found.proof, found.token) == ("ann", Proof.CARRIER, "")
    other = forwarded(noreply("eve@gmail.com"))
    assert (await judged(world, other)).reason == "account"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (text(ours="+13035550199"), "number"),
        (text(ours="+0"), "number"),
        (text(account="eve@gmail.com"), "account"),
        (text(account="house@gmail.com, eve@gmail.com"), "account"),
        (text(sender="+13035559999"), "stranger"),
    ],
)
async def test_texts_to_others_and_of_others_ask_no_dns(
    world: World, raw: bytes, reason: str
) -> None:
    found = await judged(world, forwarded(raw))
    assert (found.proof, found.reason, world.asked) == (Proof.CLAIMED, reason, [])
    assert found.sender == ("+13035559999" if reason == "stranger" else PHONE)


async def test_a_text_to_nobody_is_not_to_our_account(world: World) -> None:
    raw = text().replace(b"To: house@gmail.com\r\n", b"")
    assert (await judged(world, signed(raw, "google.com"), arrived("imap"))).reason == "account"


async def test_capitals_in_our_domain_are_nothing_to_the_seal(world: World) -> None:
    assert (await judged(world, forwarded(darn="Home.Example"))).reason is None


async def test_a_file_without_an_envelope_is_judged_by_its_seals(world: World) -> None:
    form = gate(forwarded())
    found = await trust(world).verify(form, read_form(form), None, NOW)
    assert (found.reason, found.checks["envelope"]) == (None, "not seen")


@pytest.mark.parametrize(("signed_at", "sealed_at"), [(T - 60, T - 2), (T - 2, T - 60)])
async def test_the_earlier_of_signature_and_seal_is_when_it_was_sent(
    world: World, signed_at: int, sealed_at: int
) -> None:
    one = sealed(signed(text(), "google.com", t=str(signed_at)), 1, h=STRICT)
    raw = sealed(b"Delivered-To: house@gmail.com\r\n" + one, 2, darn="home.example", t=sealed_at)
    found = await judged(world, raw)
    assert found.sent is not None and found.sent.timestamp() == T - 60
    assert [key[:4] for key in found.keys] == ["id:+", "sig:"]


async def test_a_signature_without_a_time_leaves_the_arrival(world: World) -> None:
    hour = timedelta(hours=1)
    stamp = arrived("imap", internal=(NOW - hour).isoformat())
    found = await judged(world, signed(text(), "google.com", t=None), stamp)
    assert (found.proof, found.reason, found.sent) == (Proof.CARRIER, None, NOW - hour)


@pytest.mark.parametrize("name", ["from", "to", "subject", "date", "message-id"])
async def test_google_signs_all_that_says_to_whom_and_when(world: World, name: str) -> None:
    raw = signed(text(), "google.com", h=f"{STRICT}:content-type".replace(f"{name}:", "", 1))
    found = await judged(world, raw, arrived("imap"))
    assert (found.proof, found.checks["dkim"]) == (Proof.CLAIMED, f"uncovered-{name}")


async def test_of_an_old_text_it_is_said_whose_it_seems_to_be(world: World) -> None:
    raw = signed(text(), "google.com", t=str(T - 60), x=str(T - 1))
    found = await judged(world, raw, arrived("imap"))
    assert (found.person, found.sender, found.proof) == ("ann", PHONE, Proof.CLAIMED)
    assert found.reason == "expired"


async def test_dots_in_the_account_make_no_difference_to_google(world: World) -> None:
    assert (await judged(world, forwarded(text("Ho.use@gmail.com")))).reason is None


@pytest.mark.parametrize(
    "mail_from",
    [
        "eve@evil.example",
        "eve+caf_=cmd=home.example@gmail.com",
        "house+caf_=eve=evil.example@gmail.com",
        "house@gmail.com",
        "<>",
        CAF[:-3],
    ],
)
async def test_an_envelope_that_is_not_our_accounts_forwarding_is_refused(
    world: World, mail_from: str
) -> None:
    found = await judged(world, forwarded(), arrived(mail_from=mail_from))
    assert found.reason == "envelope"


def only_first_set(raw: bytes) -> bytes:
    return raw[raw.index(b"Delivered-To:") :]


@pytest.mark.parametrize(
    "raw",
    [
        signed(text(), "google.com"),
        only_first_set(forwarded()),
        sealed(
            b"Delivered-To: house@gmail.com\r\n" + signed(text(), "google.com"),
            1,
            darn="home.example",
        ),
        forwarded(b"Delivered-To: eve@gmail.com\r\n" + text()),
        forwarded(darn="evil.example"),
        forwarded(darn=None),
        forwarded(account="eve@gmail.com"),
        forwarded(h="from:to:subject:date:message-id"),
        forwarded().replace(b"Delivered-To: house", b"Delivered-To: home"),
        forwarded().replace(b"Delivered-To: ", b"Delivered-To: eve@gmail.com\r\nDelivered-To: "),
    ],
    ids=[
        "no-arc",
        "cut",
        "one",
        "two-accounts",
        "darn",
        "no-darn",
        "account",
        "unsigned",
        "changed",
        "doubled",
    ],
)
async def test_without_gmails_seal_for_us_it_is_no_proof(world: World, raw: bytes) -> None:
    found = await judged(world, raw)
    assert (found.person, found.proof, found.reason) == ("ann", Proof.CLAIMED, "no-proof")
    assert (found.token, found.keys) == ("", ()), "nothing is kept of what anybody may have made up"


async def test_a_relay_of_ours_may_note_its_delivery_above_the_seal(world: World) -> None:
    raw = b"Delivered-To: cmd@home.example\r\n" + forwarded()
    assert (await judged(world, raw)).reason is None


async def test_a_hop_that_is_not_google_breaks_the_chain(world: World) -> None:
    one = sealed(
        signed(text(), "google.com"), 1, "evil.example", h="from:to:subject:date:message-id"
    )
    raw = sealed(b"Delivered-To: house@gmail.com\r\n" + one, 2, darn="home.example")
    assert (await judged(world, raw)).reason == "no-proof"


async def test_only_google_can_sign_for_google_voice(world: World) -> None:
    for domain in ("evil.example", "voice.google.com"):
        world.publish(domain)
        one = sealed(signed(text(), domain), 1, h="from:to:subject:date:message-id")
        raw = sealed(b"Delivered-To: house@gmail.com\r\n" + one, 2, darn="home.example")
        assert (await judged(world, raw)).reason == "no-proof"


@pytest.mark.parametrize(
    ("said", "kind", "other"),
    [
        ("!say \u0430", "charset=utf-8", "charset=koi8-r"),
        ("!lamp level=50", "charset=utf-8", "charset=utf-8\r\n" + QUOTED),
    ],
    ids=["charset", "encoding"],
)
@pytest.mark.parametrize("framed", [True, False])
async def test_what_is_unsigned_makes_no_other_text_of_one(
    world: World, said: str, kind: str, other: str, framed: bool
) -> None:
    """Also below the line that Google puts at the top, where a mail would hold no command."""
    old = b'charset="UTF-8"; format=flowed; delsp=yes'
    raw = text(said=said).replace(old, kind.encode())
    if not framed:
        raw = raw[: raw.index(b"\r\n<https:")] + f"\r\n{said}\r\n".encode()
    raw = signed(raw, "google.com", h=STRICT)
    changed = raw.replace(kind.encode(), other.encode())
    assert read(raw).text != read(changed).text
    found = await judged(world, changed, arrived("imap"))
    assert (found.proof, found.checks["dkim"][:18]) == (Proof.CLAIMED, "uncovered-content-")
    if "=" not in said:  # which may stand for another character already
        assert (await judged(world, raw, arrived("imap"))).reason is None


async def test_without_arc_takes_a_text_without_seals_but_no_broken_seal(world: World) -> None:
    voice = Voice(without_arc=True)
    plain = signed(text(), "google.com")
    assert (await judged(world, plain, google_voice=voice)).proof is Proof.CARRIER
    broken = forwarded(darn="evil.example")
    assert (await judged(world, broken, google_voice=voice)).reason == "no-proof"


async def test_in_our_own_mailbox_googles_signature_is_enough(world: World) -> None:
    stamp = arrived("imap", internal="2026-11-25T11:00:00+00:00")
    found = await judged(world, signed(text(), "google.com"), stamp)
    assert found.proof is Proof.CARRIER
    assert found.sent is not None and found.sent.hour == 11


async def test_a_house_without_google_voice_believes_no_text(world: World) -> None:
    found = await judged(world, forwarded(), google_voice=None)
    assert (found.reason, world.asked) == ("no-proof", [])
    assert (found.person, found.sender) == ("ann", PHONE), "whom it claims to be from"


async def test_missing_dns_means_later(world: World) -> None:
    world.silent.add("s1._domainkey.google.com")
    with pytest.raises(TrustLater):
        await judged(world, forwarded())


async def test_gmails_forwarding_question_must_be_googles(world: World) -> None:
    raw = (
        b"From: Gmail Team <forwarding-noreply@google.com>\r\nTo: cmd@home.example\r\n"
        b"Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from a@gmail.com\r\n"
        b"Date: Wed, 25 Nov 2026 11:59:58 +0000\r\nMessage-ID: <c@mail.gmail.com>\r\n"
        b"Content-Type: text/plain\r\n\r\nConfirmation code: 123456789\r\n"
    )
    found = await judged(world, signed(raw, "google.com"))
    assert (found.person, found.proof, found.reason) == (None, Proof.SIGNED, None)
    forged = await judged(world, signed(raw, "evil.example"))
    assert (forged.proof, forged.reason) == (Proof.CLAIMED, "no-proof")
    late = await judged(world, signed(raw, "google.com", t=str(T - 60), x=str(T - 1)))
    assert (late.proof, late.reason) == (Proof.CLAIMED, "expired")
    world.silent.add("s1._domainkey.google.com")
    with pytest.raises(TrustLater):
        await judged(world, signed(raw, "google.com"))
    assert read(raw).kind == "confirmation"
