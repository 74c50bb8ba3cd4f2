"""What `why` shows of a verdict: each check says in stable words what it found, and no more ran."""

from __future__ import annotations

from typing import Any

import pytest

from housecarl.errors import TrustLater
from housecarl.message import Stamp
from housecarl.verdict import Proof

from .conftest import (
    OURS,
    PHONE,
    T,
    Voice,
    World,
    arrived,
    forwarded,
    judged,
    mail,
    sealed,
    signed,
    text,
)

CAF = "house+caf_=cmd=home.example@gmail.com"
HOST = "mx.google.com"
TRACE = b"Received: from a (b [192.0.2.1]) by mx.google.com with ESMTPS id 1;\r\n\tnow\r\n"
RESULTS = (
    b"Authentication-Results: mx.google.com; dkim=pass header.i=@example.org;"
    b" dmarc=pass header.from=example.org\r\n"
)
FORWARDER = "mx; dkim=pass header.d=example.org; dmarc=pass header.from=example.org"
H = "from:to:subject:date:message-id:content-type"
NOTICE = (
    b"From: Gmail Team <forwarding-noreply@google.com>\r\nTo: cmd@home.example\r\n"
    b"Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from a@gmail.com\r\n"
    b"Date: Wed, 25 Nov 2026 11:59:58 +0000\r\nMessage-ID: <c@mail.gmail.com>\r\n"
    b"Content-Type: text/plain\r\n\r\nConfirmation code: 123456789\r\n"
)


def by_forwarder() -> bytes:
    one = sealed(mail(), 1, "evil.example", results="x; none", h=H)
    return sealed(one, 2, "forward.example", results=FORWARDER, h=H)


def to_us(raw: bytes, **ams: Any) -> bytes:
    """A text that Gmail took in and sends on as it is told."""
    one = sealed(signed(raw, "google.com"), 1, h="from:to:subject:date:message-id")
    return sealed(one, 2, **ams)


DELIVERED = b"Delivered-To: house@gmail.com\r\n"
DARN: dict[str, Any] = {"darn": "home.example"}
NO_SPF = {"spf": "not checked"}
TEXT = {"account": "ours", "envelope": "not seen", "dkim": "pass google.com"}

STORIES: dict[str, tuple[bytes, Stamp, dict[str, Any], dict[str, str]]] = {
    "a login": (mail(), arrived(login="ann"), {}, {"login": "pass", "from": "own"}),
    "a login as another": (
        mail("bo@gmail.com"),
        arrived(login="ann"),
        {},
        {"login": "pass", "from": "other"},
    ),
    "a login of nobody": (mail(), arrived(login="zoe"), {}, {"login": "nobody"}),
    "a file of root": (mail(), arrived("drop", uid="0", as_person="bo"), {}, {"owner": "uid 0"}),
    "a file tried": (mail(), arrived("try", uid="0", as_person="bo"), {}, {"owner": "uid 0"}),
    "a file of a job": (mail(), arrived("job", uid="0", as_person="bo"), {}, {"owner": "uid 0"}),
    "a file of nobody": (
        mail(),
        arrived("drop", uid="4000000"),
        {},
        {"owner": "uid 4000000 speaks for nobody"},
    ),
    "to another address": (signed(mail()), arrived(rcpt_to="other@home.example"), {}, {}),
    "a stranger": (mail("eve@evil.example"), arrived(), {}, {}),
    "a mail": (
        signed(mail()),
        arrived(mail_from="ann@example.org", rcpt_to=OURS.upper()),
        {},
        {**NO_SPF, "dkim": "pass example.org"},
    ),
    "a mail whose signature leaves out what need not be signed": (
        signed(mail(extra="Reply-To: x@example.org\r\n"), h="from:subject:content-type"),
        arrived(),
        {},
        {"dkim": "pass example.org (unsigned: to date message-id reply-to)"},
    ),
    "an unsigned mail": (mail(), arrived(), {}, {"dkim": "none"}),
    "two signatures": (
        signed(signed(mail(), x=str(T - 1), t=str(T - 60)), s="gone"),
        arrived(),
        {},
        {"dkim": "expired key-gone"},
    ),
    "a broken signature alone": (
        b"DKIM-Signature: v=1\r\n" + mail(),
        arrived(),
        {},
        {"dkim": "algorithm"},
    ),
    "a broken signature among others": (
        b"DKIM-Signature: v=1\r\n" + signed(mail()),
        arrived(),
        {},
        {"dkim": "pass example.org"},
    ),
    "a forwarder": (
        by_forwarder(),
        arrived(),
        {"forwarders": ["Forward.Example"]},
        {"dkim": "none", "arc": "pass evil.example forward.example"},
    ),
    "a forwarder without a seal": (
        mail(),
        arrived(),
        {"forwarders": ["forward.example"]},
        {"dkim": "none", "arc": "none"},
    ),
    "the mail host's word": (
        TRACE + RESULTS + signed(mail(), s="gone"),
        arrived("imap"),
        {"host": HOST.upper()},
        {"dkim": "key-gone", "results": "pass mx.google.com"},
    ),
    "a text": (
        forwarded(),
        arrived(mail_from=CAF, rcpt_to=OURS),
        {},
        {
            **NO_SPF,
            "account": "ours",
            "envelope": "forwarded by our account",
            "dkim": "pass google.com",
            "arc": "pass google.com google.com",
        },
    ),
    "a text in our mailbox": (
        signed(text(), "google.com"),
        arrived("imap"),
        {},
        {"account": "ours", "dkim": "pass google.com"},
    ),
    "a text to another number": (
        text(ours="+13035550199"),
        arrived(),
        {},
        {"number": "not ours"},
    ),
    "a text to another account": (
        text(account="eve@gmail.com"),
        arrived(),
        {},
        {"account": "not ours"},
    ),
    "a text that another account forwards": (
        forwarded(),
        arrived(mail_from=CAF.replace("house", "eve")),
        {},
        {**NO_SPF, "account": "ours", "envelope": "not by our account"},
    ),
    "a text without seals where that is allowed": (
        signed(text(), "google.com"),
        arrived(),
        {"google_voice": Voice(without_arc=True)},
        {**TEXT, "arc": "none (allowed)"},
    ),
    "a text without seals": (signed(text(), "google.com"), arrived(), {}, {**TEXT, "arc": "none"}),
    "a text sealed once": (
        sealed(DELIVERED + signed(text(), "google.com"), 1, **DARN),
        arrived(),
        {},
        {**TEXT, "arc": "not sealed on the way out"},
    ),
    "a text sealed for another house": (
        forwarded(darn="other.example"),
        arrived(),
        {},
        {**TEXT, "arc": "not meant for us (darn)"},
    ),
    "a text delivered to another account": (
        forwarded(account="eve@gmail.com"),
        arrived(),
        {},
        {**TEXT, "arc": "not delivered to our account"},
    ),
    "a text delivered to nobody": (
        to_us(text(), **DARN),
        arrived(),
        {},
        {**TEXT, "arc": "not delivered to our account"},
    ),
    "Gmail's question": (signed(NOTICE, "google.com"), arrived(), {}, {"dkim": "pass google.com"}),
    "Gmail's question, not all signed": (
        signed(NOTICE, "google.com", h="from:subject:date:message-id:content-type"),
        arrived(),
        {},
        {"dkim": "uncovered-to"},
    ),
}


@pytest.mark.parametrize("story", STORIES)
async def test_each_check_says_what_it_found(world: World, story: str) -> None:
    raw, stamp, more, checks = STORIES[story]
    assert (await judged(world, raw, stamp, **more)).checks == checks


@pytest.mark.parametrize(
    ("story", "said"),
    [
        ("a login", ("ann", "ann@example.org", Proof.SIGNED, None)),
        ("a login of nobody", (None, None, Proof.CLAIMED, "stranger")),
        ("a file of nobody", (None, "uid:4000000", Proof.CLAIMED, "stranger")),
        ("a file of root", ("bo", "uid:0", Proof.LOCAL, None)),
        ("to another address", (None, None, Proof.CLAIMED, "wrong-recipient")),
        ("a stranger", (None, "eve@evil.example", Proof.CLAIMED, "stranger")),
        ("an unsigned mail", ("ann", "ann@example.org", Proof.CLAIMED, "no-proof")),
        ("two signatures", ("ann", "ann@example.org", Proof.CLAIMED, "expired")),
        ("a forwarder", ("ann", "ann@example.org", Proof.SIGNED, None)),
        ("the mail host's word", ("ann", "ann@example.org", Proof.SIGNED, None)),
        ("a text in our mailbox", ("ann", PHONE, Proof.CARRIER, None)),
        ("a text to another number", ("ann", PHONE, Proof.CLAIMED, "number")),
        ("a text to another account", ("ann", PHONE, Proof.CLAIMED, "account")),
        ("a text that another account forwards", ("ann", PHONE, Proof.CLAIMED, "envelope")),
        ("a text without seals", ("ann", PHONE, Proof.CLAIMED, "no-proof")),
        ("Gmail's question", (None, "forwarding-noreply@google.com", Proof.SIGNED, None)),
        (
            "Gmail's question, not all signed",
            (None, "forwarding-noreply@google.com", Proof.CLAIMED, "no-proof"),
        ),
    ],
)
async def test_whom_it_is_from_is_said_also_when_it_is_not_proven(
    world: World, story: str, said: tuple[str | None, str | None, Proof, str | None]
) -> None:
    raw, stamp, more, _ = STORIES[story]
    if "file" in story:
        stamp = Stamp(stamp.door, stamp.arrived, uid=stamp.uid, as_person=stamp.as_person, key="k")
    found = await judged(world, raw, stamp, **more)
    assert (found.person, found.sender, found.proof, found.reason) == said


async def test_gmails_question_is_known_again_by_its_id_and_its_signature(world: World) -> None:
    found = await judged(world, signed(NOTICE, "google.com"))
    assert found.keys[0] == "id:forwarding-noreply@google.com:<c@mail.gmail.com>"
    assert [key[:4] for key in found.keys] == ["id:f", "sig:"]
    assert found.sent is not None and found.sent.timestamp() == T - 2


@pytest.mark.parametrize(
    ("raw", "domain", "says"),
    [
        (signed(mail()), "example.org", "no answer for the key of the signature"),
        (forwarded(), "google.com", "no answer for Google's key"),
        (signed(NOTICE, "google.com"), "google.com", "no answer for Google's key"),
    ],
)
async def test_what_is_tried_later_says_whose_key_is_missing(
    world: World, raw: bytes, domain: str, says: str
) -> None:
    world.silent.add(f"s1._domainkey.{domain}")
    with pytest.raises(TrustLater, match=f"^{says}$"):
        await judged(world, raw)


OTHER = b"Authentication-Results: other.example; dkim=pass\r\n"


@pytest.mark.parametrize(
    ("above", "word"),
    [
        (TRACE, "results-none"),
        (RESULTS, "results-place"),
        (RESULTS + TRACE, "results-place"),
        (TRACE + b"To: x@home.example\r\n" + RESULTS, "results-place"),
        (TRACE + OTHER, "results-host"),
        (TRACE + OTHER + RESULTS, "results-host"),
        (TRACE + RESULTS + RESULTS, "results-host"),
        (TRACE + RESULTS.replace(b"dmarc=pass", b"dmarc=fail"), "results-dmarc"),
        (TRACE + RESULTS.replace(b"from=example", b"from=evil.example"), "results-dmarc"),
        (TRACE + RESULTS.partition(b"; dmarc")[0] + b"\r\n", "results-dmarc"),
        (TRACE + RESULTS.replace(b"dkim=pass", b"dkim=fail"), "results-dkim"),
        (TRACE + RESULTS.replace(b"i=@", b"i=@evil."), "results-dkim"),
        (TRACE + RESULTS.replace(b";", b"; =", 1), "results-form"),
        (TRACE + RESULTS.replace(b"dkim=", b"(" * 65 + b")" * 65 + b" dkim="), "results-form"),
    ],
)
async def test_the_mail_hosts_word_is_refused_for(world: World, above: bytes, word: str) -> None:
    raw = above + signed(
        mail().replace(b"To: cmd@home.example\r\n", b""), s="gone", h="from:subject"
    )
    found = await judged(world, raw, arrived("imap"), host=HOST)
    assert (found.proof, found.checks["results"]) == (Proof.CLAIMED, word)
