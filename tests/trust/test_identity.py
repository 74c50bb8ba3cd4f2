"""Who a number, an address, a login or a uid belongs to; a name in a file grants nothing."""

from __future__ import annotations

import os
import pwd
from datetime import timedelta, timezone

import pytest

from housecarl.config import Config
from housecarl.judge import Judge
from housecarl.message import Stamp, gate, read_form
from housecarl.registry import Registry
from housecarl.trust.identity import People, same_mailbox
from housecarl.verdict import Proof

from .conftest import NOW, OURS, PEOPLE, PHONE, Person, World, arrived, judged, mail, signed, trust

ME = os.geteuid()
LOGIN = pwd.getpwuid(ME).pw_name
#: a uid that is nobody's here
NOBODY = "4000000"


@pytest.mark.parametrize("address", ["ann@example.org", "Ann@EXAMPLE.org"])
def test_capitals_in_an_address_do_not_matter(address: str) -> None:
    assert People(PEOPLE).by_address(address) == "ann"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "ann@example.org.",
        "ann+x@example.org",
        "a.nn@example.org",
        "\u212ann@example.org",
    ],
)
def test_any_other_difference_makes_a_stranger(address: str) -> None:
    assert People(PEOPLE).by_address(address) is None
    assert (
        People({"kim": Person(addresses=["k@example.org"])}).by_address("\u212a@example.org")
        is None
    )


def test_numbers_are_compared_whole() -> None:
    people = People(PEOPLE)
    assert people.by_number(PHONE) == "ann"
    assert [people.by_number(each) for each in (None, "", PHONE[1:], PHONE + "0")] == [None] * 4


def test_google_ignores_dots_others_do_not() -> None:
    assert same_mailbox("A.B+x@gmail.com", "ab@googlemail.com")
    assert not same_mailbox("a.b@example.org", "ab@example.org")


async def test_smtp_auth_proves_the_login_whatever_from_says(world: World) -> None:
    stamp = arrived(login="ann", rcpt_to=OURS)
    found = await judged(world, mail(), stamp)
    assert (found.person, found.sender) == ("ann", "ann@example.org")
    assert (found.proof, found.reason, found.sent) == (Proof.SIGNED, None, NOW)
    other = await judged(world, mail("eve@evil.example"), stamp)
    assert (other.person, other.sender, other.checks["from"]) == ("ann", "login:ann", "other")
    gone = await judged(world, mail(), arrived(login="zoe"))
    assert (gone.person, gone.reason) == (None, "stranger")


async def test_auth_without_a_message_id_is_known_by_its_content(world: World) -> None:
    raw = mail().replace(b"Message-ID: <1@example.org>\r\n", b"")
    stamp = arrived(login="ann")
    one, again = await judged(world, raw, stamp), await judged(world, raw, stamp)
    assert one.keys == again.keys and len(one.keys) == 1 and one.keys[0].startswith("auth:")
    longer = await judged(world, raw + b"\r\n\r\n", stamp)
    assert longer.keys == one.keys, "a relay may add empty lines at the end"
    changed = (b"lamp", b"heater"), (b"lamp", b" lamp"), (b"11:59:58", b"11:59:59")
    for old, new in (*changed, (b"hello", b"!ping"), (b"Subject: hello\r\n", b"")):
        other = await judged(world, raw.replace(old, new), stamp)
        assert len(other.keys) == 1 and other.keys != one.keys
    elsewhere = await judged(world, raw.replace(b"ann@example.org", b"ann@mail.example.org"), stamp)
    assert elsewhere.keys != one.keys


@pytest.mark.parametrize("start", range(0, 1800, 450))
@pytest.mark.parametrize(
    ("later", "same"),
    [
        (timedelta(0), True),
        (timedelta(minutes=1), True),
        (timedelta(minutes=15), True),
        (timedelta(minutes=30), False),
        (timedelta(hours=12), False),
        (timedelta(days=3), False),
    ],
    ids=str,
)
async def test_auth_without_message_id_and_date_is_known_again_for_a_while(
    world: World, start: int, later: timedelta, same: bool
) -> None:
    """As long as a client may try that heard no 250; a program may want the same every hour."""
    raw = b"From: ann@example.org\r\nSubject: !plug lamp on\r\n\r\n"
    first = NOW + timedelta(seconds=start)
    one, again = [
        await judged(world, raw, arrived(at=at, login="ann"), now=at)
        for at in (first, first + later)
    ]
    assert one.reason is None and again.reason is None
    assert bool(set(one.keys) & set(again.keys)) == same
    other = raw.replace(b"lamp on", b"heater off")
    other_keys = (await judged(world, other, arrived(at=first, login="ann"), now=first)).keys
    assert not set(one.keys) & set(other_keys)


async def test_a_signed_mail_without_a_message_id_is_known_by_its_signature_and_content(
    world: World,
) -> None:
    raw = mail().replace(b"Message-ID: <1@example.org>\r\n", b"")
    found = await judged(world, signed(raw))
    assert found.reason is None and [key[:4] for key in found.keys] == ["sig:", "sig:"]


async def test_a_message_with_nothing_to_know_a_repeat_by_is_refused(world: World) -> None:
    raw = (
        b"Received: from a by mx.example.org with ESMTPS id 1; now\r\n"
        b"Authentication-Results: mx.example.org; dkim=pass header.d=example.org;"
        b" dmarc=pass header.from=example.org\r\n"
        + signed(mail().replace(b"Message-ID: <1@example.org>\r\n", b""), s="gone")
    )
    found = await judged(world, raw, arrived("imap"), host="mx.example.org")
    assert (found.proof, found.reason) == (Proof.SIGNED, "no-key")


async def owned(world: World, people: dict[str, Person], **seen: str) -> tuple[str | None, str]:
    stamp = Stamp("drop", NOW, key="k1", **seen)
    form = gate(b"Content-Type: text/plain\r\n\r\n!plug lamp on\r\n", needs_from=False)
    judge = trust(world)
    judge._people = People(people)
    found = await judge.verify(form, read_form(form), stamp, NOW)
    if found.person:
        assert (found.proof, found.keys) == (Proof.LOCAL, ("drop:k1",))
    return found.person, found.reason or ""


async def test_a_file_that_lay_there_for_long_is_not_stale(world: World) -> None:
    """It waited for us; what it asks for may be too late, and then its owner hears that."""
    now = NOW + timedelta(days=3)
    assert (await judged(world, signed(mail()), arrived(at=NOW), now=now)).reason == "stale"
    stamp = arrived("drop", key="k1", uid="0", as_person="ann")
    found = await judged(world, mail(), stamp, now=now)
    assert (found.person, found.proof, found.reason) == ("ann", Proof.LOCAL, None)


async def test_a_file_speaks_for_whoever_lists_its_owner(world: World) -> None:
    mine, twice = Person(unix=[LOGIN]), {"a": Person(unix=[LOGIN]), "b": Person(unix=[LOGIN])}
    assert await owned(world, {"ann": mine}, uid=str(ME)) == ("ann", "")
    assert await owned(world, {"ann": Person(unix=["other"])}, uid=str(ME)) == (None, "stranger")
    assert await owned(world, {"ann": mine}, uid=NOBODY) == (None, "stranger")
    assert await owned(world, {"ann": mine}, uid="") == (None, "stranger")
    assert await owned(world, twice, uid=str(ME)) == (None, "stranger"), "which of the two?"


async def test_root_and_ourselves_name_anybody_others_only_themselves(world: World) -> None:
    people = {"ann": Person(unix=["daemon"]), "bo": Person()}
    for uid in ("0", str(ME)):
        assert await owned(world, people, uid=uid, as_person="bo") == ("bo", "")
        assert await owned(world, people, uid=uid, as_person="zoe") == (None, "stranger")
    daemon = str(pwd.getpwnam("daemon").pw_uid)
    assert await owned(world, people, uid=daemon, as_person="ann") == ("ann", "")
    assert await owned(world, people, uid=daemon, as_person="bo") == (None, "stranger")
    assert await owned(world, people, uid=NOBODY, as_person="bo") == (None, "stranger")


@pytest.mark.parametrize(
    ("door", "reason"),
    [("drop", None), ("try", None), ("job", None), ("smtp", "form"), ("imap", "form")],
)
async def test_only_a_note_of_this_machine_may_be_without_a_sender(
    world: World, door: str, reason: str | None
) -> None:
    judge = Judge(Config.model_validate({}), trust(world), Registry(None), off=lambda _: False)
    stamp = arrived(door, key="k1", uid=str(ME), as_person="ann")
    case = await judge.judge("7f3a", b"Content-Type: text/plain\r\n\r\nhi\r\n", stamp, NOW)
    assert case.verdict.reason == reason


async def test_a_dropped_mail_grants_nothing_by_its_header(world: World) -> None:
    stamp = arrived("drop", key="k1", uid=NOBODY)
    found = await judged(world, signed(mail()), stamp)
    assert (found.person, found.reason, world.asked) == (None, "stranger", [])


async def test_the_earliest_trusted_time_counts_and_never_the_date(world: World) -> None:
    hour = timedelta(hours=1)
    raw = signed(mail().replace(b"25 Nov 2026 11:59:58", b"25 Nov 2026 03:00:00"))
    assert (await judged(world, raw)).sent == NOW - timedelta(seconds=2)
    early = arrived("imap", internal=(NOW - hour).isoformat())
    assert (await judged(world, raw, early)).sent == NOW - hour
    local = arrived("imap", internal=(NOW - hour).replace(tzinfo=timezone(-7 * hour)).isoformat())
    assert (await judged(world, raw, local)).sent == NOW - timedelta(seconds=2)
    bare = arrived("imap", internal=(NOW - hour).replace(tzinfo=None).isoformat())
    assert (await judged(world, raw, bare)).sent == NOW - hour, "without a zone it is UTC"
    broken = arrived("imap", internal="yesterday")
    assert (await judged(world, raw, broken)).sent == NOW - timedelta(seconds=2)
    undated = signed(mail(), t=None)
    assert (await judged(world, undated, arrived(at=NOW - hour), now=NOW)).sent == NOW - hour
    form = gate(undated)
    assert (await trust(world).verify(form, read_form(form), None, NOW)).sent is None


async def test_what_arrived_too_long_ago_is_stale_what_comes_from_tomorrow_is_refused(
    world: World,
) -> None:
    second = timedelta(seconds=1)
    form = gate(mail())
    for at, reason in (
        (NOW - timedelta(days=2) - second, "stale"),
        (NOW - timedelta(days=2), None),
        (NOW + timedelta(minutes=10), None),
        (NOW + timedelta(minutes=10) + second, "future"),
    ):
        stamp = arrived(at=at, login="ann")
        found = await trust(world).verify(form, read_form(form), stamp, NOW)
        assert (found.person, found.reason) == ("ann", reason)
    hour = timedelta(hours=1)
    stamp = arrived(at=NOW - hour, login="ann")
    found = await trust(world, max_age=hour - second).verify(form, read_form(form), stamp, NOW)
    assert found.reason == "stale", "a house may be stricter"


async def test_mail_is_off_where_more_proof_is_required(world: World) -> None:
    for stamp in (arrived(), arrived(login="ann")):
        found = await judged(world, signed(mail()), stamp, require=Proof.LOCAL)
        assert (found.reason, found.proof) == ("no-proof", Proof.CLAIMED)
