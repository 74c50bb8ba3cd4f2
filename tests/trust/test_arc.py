"""ARC: the whole chain, sealed last by whom we name, for us."""

from __future__ import annotations

from typing import Any

import pytest

from housecarl.errors import TrustLater
from housecarl.verdict import Proof

from .conftest import T, World, judged, mail, sealed, signed

RESULTS = "mx.forward.example; dkim=pass header.d=example.org; dmarc=pass header.from=example.org"
FORWARDERS = ["forward.example"]
H = "from:to:subject:date:message-id:content-type"


def by_forwarder(raw: bytes | None = None, **more: Any) -> bytes:
    """A mail whose own signature did not survive, sealed by the forwarder we name."""
    one = sealed(raw or mail(), 1, "evil.example", results="x; none", h=H)
    return sealed(one, 2, "forward.example", **{"results": RESULTS, "h": H, **more})


async def test_a_named_forwarders_word_proves_a_mail_whose_signature_broke(world: World) -> None:
    found = await judged(world, by_forwarder(), forwarders=FORWARDERS)
    assert (found.person, found.proof, found.reason) == ("ann", Proof.SIGNED, None)
    assert found.sent is not None and found.sent.timestamp() == T - 2
    assert len(found.keys) == 3


async def test_nobody_is_a_forwarder_unless_named(world: World) -> None:
    assert (await judged(world, by_forwarder())).reason == "no-proof"
    found = await judged(world, by_forwarder(), forwarders=["other.example"])
    assert found.checks["arc"] == "sealer"
    assert world.asked == []
    assert (await judged(world, mail(), forwarders=FORWARDERS)).checks["arc"] == "none"


@pytest.mark.parametrize(
    ("results", "word"),
    [
        ("mx; dkim=fail header.d=example.org; dmarc=pass header.from=example.org", "dkim"),
        ("mx; dkim=pass header.d=evil.example; dmarc=pass header.from=example.org", "dkim"),
        ("mx; dkim=pass header.d=example.org; dmarc=fail header.from=example.org", "dmarc"),
        ("mx; dkim=pass header.d=example.org; dmarc=pass header.from=evil.example", "dmarc"),
        ("mx; dkim=pass header.d=example.org", "dmarc"),
        (
            "mx; dkim=pass header.d=example.org; dmarc=pass header.from=example.org;"
            " dmarc=pass header.from=example.org",
            "dmarc",
        ),
        ("mx; none", "dmarc"),
        ("mx; dkim=pass (" + "(" * 70 + ")" * 71 + " header.d=example.org", "form"),
        ("mx; =;;", "form"),
    ],
)
async def test_the_forwarder_must_have_seen_dkim_and_dmarc_pass(
    world: World, results: str, word: str
) -> None:
    found = await judged(world, by_forwarder(results=results), forwarders=FORWARDERS)
    assert (found.reason, found.checks["arc"]) == ("no-proof", f"results-{word}")


async def test_a_chain_that_is_cut_mixed_or_doubled_is_refused(world: World) -> None:
    whole = by_forwarder()
    newest = whole.index(b"ARC-Seal: i=1")
    last_field = whole.index(b"From: ")
    oldest = whole[newest:last_field]
    for raw, word in (
        (whole[newest:], "sealer"),  # the newest set cut off
        (whole.replace(oldest, b""), "chain"),  # the oldest cut out
        (whole.replace(b"i=2", b"i=3"), "chain"),  # a gap
        (whole.replace(b"i=1", b"i=2"), "chain"),  # two of the same
        (oldest + whole, "chain"),
        (whole.replace(b"ARC-Seal: i=1", b"X-Seal: i=1"), "chain"),
        (whole.replace(b"ARC-Seal: i=1;", b"ARC-Seal: "), "chain"),
        (whole.replace(b"ARC-Seal: i=1", b"ARC-Seal: i=a"), "chain"),
        (whole.replace(b"ARC-Seal: i=2;", b"ARC-Seal: i=2; h=from;"), "chain"),
        (whole.replace(b" h=from", b" hh=from"), "chain"),
        (whole.replace(b"cv=pass", b"cv=none"), "chain"),
        (whole.replace(b"cv=none", b"cv=pass"), "chain"),
        (b"ARC-Authentication-Results: i=3; x\r\n" + whole, "chain"),  # a set that is not whole
        (whole.replace(b"Results: i=1; ", b"Results: "), "chain"),
        (
            by_forwarder(results=RESULTS.replace("pass", "fail")).replace(b"fail", b"pass"),
            "signature",
        ),
        (whole.replace(b"x; none", b"x; nine"), "signature"),  # each seal covers them
    ):
        found = await judged(world, raw, forwarders=FORWARDERS)
        assert (found.proof, found.checks["arc"]) == (Proof.CLAIMED, word), raw[:200]


@pytest.mark.parametrize(("size", "proof"), [(8192, Proof.SIGNED), (8193, Proof.CLAIMED)])
async def test_results_are_read_up_to_8_kib(world: World, size: int, proof: Proof) -> None:
    """The size of the field's value, with its blank, its instance and its line end."""
    note = ("\r\n " + "x" * 70) * 120
    room = size - len(f" i=2; {RESULTS} ()\r\n")
    raw = by_forwarder(results=f"{RESULTS} ({note[:room]})")
    assert (await judged(world, raw, forwarders=FORWARDERS)).proof is proof


@pytest.mark.parametrize(
    ("canon", "default", "word"),
    [
        (None, "relaxed/relaxed", "pass evil.example forward.example"),
        (None, "relaxed/simple", "body"),
        ("simple/simple", "", "pass evil.example forward.example"),
    ],
)
async def test_a_set_that_names_no_canonicalization_is_relaxed(
    world: World, canon: str | None, default: str, word: str
) -> None:
    """As those who check ARC elsewhere read it; a DKIM-Signature without it is simple."""
    body = b"!plug  lamp on \r\n"
    raw = by_forwarder(mail(body=body), c=canon, default=default)
    assert (await judged(world, raw, forwarders=FORWARDERS)).checks["arc"] == word


async def test_a_seal_over_a_failed_chain_is_refused(world: World) -> None:
    one = sealed(mail(), 1, "evil.example", results="x; none", h=H)
    raw = sealed(one, 2, "forward.example", results=RESULTS, h=H, cv="fail")
    assert (await judged(world, raw, forwarders=FORWARDERS)).checks["arc"] == "chain"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ((b"!plug lamp on", b"!plug heater on"), "body"),
        ((b"Subject: hello", b"Subject: !plug heater on"), "signature"),
        ((b"From: ann@", b'From: "A" <ann@'), "signature"),
    ],
)
async def test_what_the_newest_set_signed_cannot_be_changed(
    world: World, change: tuple[bytes, bytes], word: str
) -> None:
    raw = by_forwarder().replace(*change)
    if word == "signature" and b"<" in change[1]:
        raw = raw.replace(b"<ann@example.org", b"<ann@example.org>")
    assert (await judged(world, raw, forwarders=FORWARDERS)).checks["arc"] == word


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"h": "from:to:date:message-id:content-type"}, "uncovered-subject"),
        ({"h": "from:to:subject:message-id:content-type"}, "uncovered-date"),
        ({"h": H + ":arc-seal"}, "chain"),
        ({"d": "evil.example"}, "sealer"),
        ({"t": T + 700}, "future"),
        ({"t": None}, "no-time"),
        ({"l": "3"}, "length-tag"),
        ({"x": str(T - 1)}, "expired"),
    ],
)
async def test_a_seal_is_refused_for(world: World, more: dict[str, Any], word: str) -> None:
    raw = by_forwarder(**more)
    assert (await judged(world, raw, forwarders=FORWARDERS)).checks["arc"] == word


async def test_an_old_seal_is_stale(world: World) -> None:
    raw = by_forwarder(t=T - 3 * 86400)
    assert (await judged(world, raw, forwarders=FORWARDERS)).reason == "stale"


OLD = T - 30 * 86400


@pytest.mark.parametrize(
    "raw",
    [
        signed(mail(), t=str(OLD)),
        signed(mail(), t=str(OLD), x=str(OLD + 86400)),
        signed(mail().replace(b"25 Nov", b"25 Oct"), t=None),
        signed(signed(mail(), t=str(OLD)), s="other"),
        b"DKIM-Signature: v=1\r\n" + signed(mail(), t=str(OLD)),
        mail().replace(b"25 Nov", b"25 Oct"),
    ],
    ids=["signed", "expired", "dated", "two", "broken", "taken out"],
)
async def test_a_new_seal_makes_an_old_mail_no_younger(world: World, raw: bytes) -> None:
    """Whoever has one may send it to the forwarder again, who adds a line and seals it."""
    again = by_forwarder(raw + b"-- \r\nthe list\r\n")
    found = await judged(world, again, forwarders=FORWARDERS)
    assert (found.proof, found.reason) == (Proof.SIGNED, "stale"), found.checks


async def test_one_that_we_do_not_read_makes_an_old_mail_no_younger(world: World) -> None:
    """It may be the one that the forwarder saw; on top stands one of today that nobody checked."""
    old = signed(mail().replace(b"25 Nov", b"25 Oct"), t=str(OLD), a="rsa-sha1")
    again = by_forwarder(signed(old, s="other"))
    assert (await judged(world, again, forwarders=FORWARDERS)).reason == "stale"


@pytest.mark.parametrize("ahead", [str(T + 3 * 86400), "9" * 12])
async def test_a_broken_signature_of_a_year_that_cannot_be_breaks_nothing(
    world: World, ahead: str
) -> None:
    raw = signed(mail(), t=ahead) + b"-- \r\nthe list\r\n"
    found = await judged(world, by_forwarder(raw), forwarders=FORWARDERS)
    assert (found.proof, found.reason) == (Proof.SIGNED, None)
    assert found.sent is not None and found.sent.timestamp() == T - 2


async def test_what_was_sealed_twice_without_a_signature_is_known_by_what_it_says(
    world: World,
) -> None:
    """A list took it out: nobody can tell any more whether it covered the Message-ID."""
    later = mail(message_id="<2@example.org>").replace(b"11:59:58", b"11:59:59")
    first = await judged(world, by_forwarder(), forwarders=FORWARDERS)
    other = by_forwarder(mail(message_id="<2@example.org>"))
    again = await judged(world, other, forwarders=FORWARDERS)
    new = await judged(world, by_forwarder(later), forwarders=FORWARDERS)
    assert first.reason is again.reason is None
    assert set(first.keys) & set(again.keys)
    assert not set(first.keys) & set(new.keys)


async def test_what_was_sealed_twice_is_known_by_the_signature_below(world: World) -> None:
    """That one does not cover Message-ID, and each seal is another."""
    one = signed(mail(), h="from:to:subject:date:content-type") + b"-- \r\nthe list\r\n"
    other = one.replace(b"<1@", b"<2@")
    first = await judged(world, by_forwarder(one), forwarders=FORWARDERS)
    again = await judged(world, by_forwarder(other), forwarders=FORWARDERS)
    assert first.reason is again.reason is None
    assert set(first.keys) & set(again.keys)


async def test_missing_dns_means_later_for_any_seal_of_the_chain(world: World) -> None:
    world.silent.add("s1._domainkey.evil.example")
    with pytest.raises(TrustLater):
        await judged(world, by_forwarder(), forwarders=FORWARDERS)


async def test_more_sets_than_ten_are_not_followed(world: World) -> None:
    raw = mail()
    for number in range(1, 12):
        raw = sealed(raw, number, "forward.example", results=RESULTS, h=H)
    assert (await judged(world, raw, forwarders=FORWARDERS)).checks["arc"] == "chain"


async def test_ten_sets_are_followed(world: World) -> None:
    raw = mail()
    for number in range(1, 11):
        raw = sealed(raw, number, "forward.example", results=RESULTS, h=H)
    found = await judged(world, raw, forwarders=FORWARDERS)
    assert (found.proof, found.reason) == (Proof.SIGNED, None)
    assert found.checks["arc"] == "pass" + " forward.example" * 10


async def test_a_good_signature_needs_no_chain(world: World) -> None:
    raw = b"ARC-Seal: i=1; broken\r\n" + signed(mail())
    assert (await judged(world, raw, forwarders=FORWARDERS)).reason is None
