"""Authentication-Results: only our own mail host's, by its place, and only for a missing key."""

from __future__ import annotations

from typing import Any

import pytest
from tests import cost

from housecarl.trust import results
from housecarl.trust.tags import Unsound
from housecarl.verdict import Proof

from .conftest import T, World, arrived, judged, mail, signed, text

HOST = "mx.google.com"
AR = (
    "Authentication-Results: mx.google.com; dkim=pass header.i=@{0}; dmarc=pass header.from={0}\r\n"
)
TRACE = "Received: from a (b [192.0.2.1]) by mx.google.com with ESMTPS id 1;\r\n\tnow\r\n"
GOOD = TRACE + AR.format("example.org")
IMAP = arrived("imap", internal="2026-11-25T11:59:00+00:00")


async def verdict(world: World, above: str, door: str = "imap", selector: str = "gone") -> Proof:
    raw = above.encode() + signed(mail(), s=selector)
    return (await judged(world, raw, arrived(door), host=HOST)).proof


async def test_the_mail_hosts_word_stands_in_for_a_key_that_is_gone(world: World) -> None:
    assert await verdict(world, GOOD) is Proof.SIGNED
    assert await verdict(world, "Delivered-To: h@gmail.com\r\nReceived: by 2002:a\r\n" + GOOD)
    world.silent.add("gone._domainkey.example.org")
    assert await verdict(world, GOOD) is Proof.SIGNED, "and for one that cannot be asked for"


@pytest.mark.parametrize(
    ("above", "word"),
    [
        (TRACE, "results-none"),
        (AR.format("example.org"), "results-place"),
        (TRACE + AR.format("example.org").replace("mx.", "mx2."), "results-host"),
    ],
)
async def test_why_the_hosts_word_does_not_count_is_said(
    world: World, above: str, word: str
) -> None:
    raw = above.encode() + signed(mail(), s="gone")
    found = await judged(world, raw, IMAP, host=HOST)
    assert (found.proof, found.checks["results"]) == (Proof.CLAIMED, word)


async def test_it_stands_in_for_googles_key_too(world: World) -> None:
    raw = (TRACE + AR.format("google.com")).encode() + signed(text(), "google.com", s="gone")
    found = await judged(world, raw, IMAP, host=HOST)
    assert (found.proof, found.reason, found.person) == (Proof.CARRIER, None, "ann")


async def test_it_counts_by_imap_only_and_never_against_what_we_can_see(world: World) -> None:
    assert await verdict(world, GOOD, door="smtp") is Proof.CLAIMED
    changed = GOOD.encode() + signed(mail()).replace(b"lamp", b"heater")
    assert (await judged(world, changed, IMAP, host=HOST)).proof is Proof.CLAIMED
    unsigned = GOOD.encode() + mail()
    assert (await judged(world, unsigned, IMAP, host=HOST)).proof is Proof.CLAIMED
    assert (await judged(world, GOOD.encode() + signed(mail(), s="gone"), IMAP)).reason


async def test_it_does_not_stand_in_for_an_old_signature_that_never_held(world: World) -> None:
    old: dict[str, Any] = {"t": str(T - 86400), "x": str(T - 60)}
    for raw, proof in (
        (signed(mail(), **old), Proof.SIGNED),
        (signed(mail(), l="5", **old), Proof.CLAIMED),
        (signed(mail(), h="from:to:date:content-type", **old), Proof.CLAIMED),
        (signed(mail(), **old).replace(b"lamp", b"heat"), Proof.CLAIMED),
        (signed(mail(), **old).replace(b": hello", b": !plug heat on"), Proof.CLAIMED),
        (
            signed(mail("bo@gmail.com"), **old).replace(b"bo@gmail.com", b"ann@example.org"),
            Proof.CLAIMED,
        ),
    ):
        assert (await judged(world, GOOD.encode() + raw, IMAP, host=HOST)).proof is proof


async def test_an_old_signature_is_no_less_old_without_its_key(world: World) -> None:
    """Neither a key that is gone nor one that nobody tells us is worth waiting for."""
    raw = signed(mail(), s="gone", t=str(T - 86400), x=str(T - 60))
    for _ in range(2):
        assert (await judged(world, raw)).reason == "expired"
        assert (await judged(world, GOOD.encode() + raw, IMAP, host=HOST)).proof is Proof.SIGNED
        world.silent.add("gone._domainkey.example.org")


@pytest.mark.parametrize(
    "trace", ["BY MX.Google.COM with", "by mx.google.com;", "by\r\n\tmx.google.com"]
)
async def test_capitals_and_folds_in_the_hosts_received_do_not_matter(
    world: World, trace: str
) -> None:
    above = f"Received: from a {trace}\r\n" + AR.format("example.org")
    assert await verdict(world, above) is Proof.SIGNED


@pytest.mark.parametrize(
    "trace",
    ["by mx.google.com.evil", "by mx.google.com-x", "xby mx.google.com", "by mxxgoogle.com"],
)
async def test_a_received_of_another_host_is_not_ours(world: World, trace: str) -> None:
    above = f"Received: from a {trace} with ESMTPS id 1\r\n" + AR.format("example.org")
    assert await verdict(world, above) is Proof.CLAIMED


@pytest.mark.parametrize("name", [b"From", b"To", b"Subject", b"DKIM-Signature"])
async def test_results_below_what_the_sender_wrote_are_not_the_hosts(
    world: World, name: bytes
) -> None:
    raw = signed(mail(), s="gone")
    start = raw.index(name + b": ")
    end = raw.index(b"\r\nFrom" if name[:1] == b"D" else b"\r\n", start) + 2
    below = TRACE.encode() + raw[start:end] + AR.format("example.org").encode()
    found = await judged(world, below + raw[:start] + raw[end:], IMAP, host=HOST)
    assert (found.proof, found.checks["results"]) == (Proof.CLAIMED, "results-place")


async def test_a_signature_that_the_host_vouched_for_marks_a_repeat_beside_its_id(
    world: World,
) -> None:
    found = await judged(world, GOOD.encode() + signed(mail(), s="gone"), IMAP, host=HOST)
    assert [key[:4] for key in found.keys] == ["id:a", "sig:"]
    text_keys = (TRACE + AR.format("google.com")).encode() + signed(text(), "google.com", s="gone")
    found = await judged(world, text_keys, IMAP, host=HOST)
    assert [key[:4] for key in found.keys] == ["id:+", "sig:"]


WEEK = T - 7 * 86400


@pytest.mark.parametrize(
    ("tags", "date"),
    [
        ({"t": str(WEEK), "x": str(WEEK + 86400)}, b"Wed, 25"),
        ({"t": None, "x": str(WEEK + 86400)}, b"Wed, 18"),
        ({"t": str(WEEK), "s": "gone"}, b"Wed, 25"),
        ({"t": None, "s": "gone"}, b"Wed, 18"),
    ],
)
async def test_what_the_host_vouches_for_is_as_old_as_its_signature(
    world: World, tags: dict[str, Any], date: bytes
) -> None:
    """Else whoever has a mail of long ago could put it into the mailbox as one of today."""
    raw = GOOD.encode() + signed(mail().replace(b"Wed, 25", date), **tags)
    found = await judged(world, raw, arrived("imap"), host=HOST)
    assert (found.proof, found.reason) == (Proof.SIGNED, "stale")
    assert [key[:4] for key in found.keys] == ["id:a", "sig:"]
    google = TRACE + AR.format("google.com")
    raw = google.encode() + signed(text().replace(b"Wed, 25", date), "google.com", **tags)
    found = await judged(world, raw, arrived("imap"), host=HOST)
    assert (found.proof, found.reason) == (Proof.CARRIER, "stale")


async def test_a_signature_that_we_do_not_look_at_is_not_vouched_for(world: World) -> None:
    """Else one of long ago could stand behind some of today that nobody can check."""
    old = signed(mail(), t=str(WEEK))
    many = old
    for number in range(5):
        many = signed(many, s=f"gone{number}")
    odd = signed(old.replace(b" b=", b" b=" + b" " * 65, 1), s="gone")
    for raw, words in ((many, "key-gone " * 5 + "too-many"), (odd, "key-gone syntax")):
        found = await judged(world, GOOD.encode() + raw, IMAP, host=HOST)
        assert (found.proof, found.keys) == (Proof.CLAIMED, ())
        assert sorted(found.checks["dkim"].split()) == words.split()
    by_others = signed(signed(mail(), s="gone"), "list.example", a="rsa-sha1")
    found = await judged(world, GOOD.encode() + by_others, IMAP, host=HOST)
    assert found.proof is Proof.SIGNED, "theirs would say nothing, however it was made"


PAIR = "dkim=pass header.d=example.org; dmarc=pass header.from=example.org"


@pytest.mark.parametrize(
    ("field", "sound"),
    [
        (f"mx; {'spf=none;' * 30} {PAIR}", True),
        (f"mx; {'spf=none;' * 31} {PAIR}", False),
        (f"mx; {PAIR} {'(' * 64}{')' * 64}", True),
        (f"mx; {PAIR} {'(' * 65}{')' * 65}", False),
        (f"mx; {PAIR} ({'x' * (8192 - 5 - len(PAIR) - 2)})", True),
        (f"mx; {PAIR} ({'x' * (8192 - 5 - len(PAIR) - 1)})", False),
    ],
    ids=["32 results", "33 results", "64 comments", "65 comments", "8192 bytes", "8193 bytes"],
)
def test_a_field_is_read_up_to_its_bounds(field: str, sound: bool) -> None:
    if sound:
        results.check(field, "example.org")
    else:
        with pytest.raises(Unsound, match="^results-form$"):
            results.check(field, "example.org")


@pytest.mark.parametrize(
    ("field", "word"),
    [
        (f"mx; {PAIR}; dkim=pass header.d=list.example", ""),
        (f"mx; dkim=pass header.d=list.example; {PAIR}", ""),
        (f"mx; dkim=fail header.d=example.org; {PAIR}", ""),
        ("mx; DKIM=Pass HEADER.D=Example.ORG; DMARC=PASS Header.From=EXAMPLE.org", ""),
        ("mx; dkim=pass; dmarc=pass header.from=example.org", "results-dkim"),
        ("mx; dkim=pass header.s=s1; dmarc=pass header.from=example.org", "results-dkim"),
        ("mx; dkim=pass header.d=example.org; dmarc=pass", "results-dmarc"),
    ],
)
def test_one_of_several_signatures_must_be_named_as_the_senders(field: str, word: str) -> None:
    if not word:
        results.check(field, "example.org")
    else:
        with pytest.raises(Unsound, match=f"^{word}$"):
            results.check(field, "example.org")


OTHER = "Authentication-Results: other.example; dkim=pass\r\n"


@pytest.mark.parametrize(
    "above",
    [
        AR.format("example.org") + TRACE,
        "X-" + GOOD,
        OTHER + GOOD,
        TRACE + OTHER + AR.format("example.org"),
        GOOD + AR.format("example.org"),
        GOOD + AR.format("example.org").replace("mx.google.com", "MX.Google.COM"),
        GOOD + AR.format("example.org").replace("pass", "fail"),
        AR.format("example.org"),
        TRACE.replace("mx.google.com", "mx.google.com.evil.example") + AR.format("example.org"),
        TRACE + AR.format("example.org").replace("mx.google.com", "mx.google.com.evil.example"),
        TRACE + AR.format("evil.example"),
        TRACE + AR.format("example.org").replace("dmarc=pass", "dmarc=none"),
        TRACE + AR.format("example.org").replace("dkim=pass", "dkim=neutral"),
        TRACE + "DKIM-Signature: v=1\r\n" + AR.format("example.org"),
    ],
)
async def test_a_foreign_or_misplaced_one_is_refused(world: World, above: str) -> None:
    assert await verdict(world, above) is Proof.CLAIMED


async def test_one_below_what_the_sender_wrote_is_refused(world: World) -> None:
    raw = TRACE.encode() + signed(mail(extra=AR.format("example.org")), s="gone")
    assert (await judged(world, raw, IMAP, host=HOST)).proof is Proof.CLAIMED


@pytest.mark.long(after=3)
@pytest.mark.parametrize(
    "hostile",
    [
        "mx; " + "(" * 8000,
        "mx; " + "(a" * 60 + ")" * 60,
        "mx; " + "dkim=pass " * 800,
        "mx; dkim=pass reason=" + '"' * 8000,
        "mx; " + "dkim=pass;" * 790,
        "mx; dkim=pass header.i=" + "a." * 4000,
        "mx;" + " " * 8000,
        "mx; dkim=p\u00e4ss",
        "",
    ],
    ids=range(9),
)
def test_hostile_fields_are_refused_in_no_time(hostile: str) -> None:
    with cost.at_most(0.1), pytest.raises(Unsound):
        results.check(hostile, "example.org")
