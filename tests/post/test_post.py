"""The way out in good and bad weather, with a real journal and a real smarthost on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs
from tests.post.house import DOTTED, MAIL, House

from housecarl.errors import StorageError
from housecarl.journal import replies
from housecarl.journal.replies import Due, Outgoing
from housecarl.post import Bounds
from housecarl.post.pool import Pool
from housecarl.secret import Secret


@pytest.mark.parametrize("pipelining", [True, False])
async def test_what_waits_is_sent_in_order_over_one_connection(
    house: House, pipelining: bool
) -> None:
    house.smarthost.pipelining = pipelining
    for _ in range(3):
        await house.add()
    async with house.running() as post:
        await house.until("sent", "sent", "sent")
        post.push(await house.add())
        post.push(await house.add())
        await house.until(*["sent"] * 5)
        await house.reaches(lambda: not post.taken)  # nothing is remembered for ever
    assert house.recipients() == [f"ann.{n}@example.org" for n in range(1, 6)]
    assert {mail for _, mail in house.smarthost.taken} == {DOTTED}
    assert house.smarthost.connections == 1
    assert house.told == [True]


async def test_an_answer_too_many_is_not_taken_for_the_next(house: House) -> None:
    house.smarthost.pipelining = False
    house.smarthost.script = saying(rcpt="250 2.1.5 ok\r\n250 2.1.5 ok again")
    await house.add()
    async with house.running():
        assert await house.until("sent") == [("sent", 0, None)]


async def test_a_reply_that_comes_in_the_moment_a_sender_ends_is_sent(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks again by itself: a push is all that tells of it."""
    async with house.running() as post:
        post.push(await house.add())
        await house.until("sent")
        first, second = await house.add(), await house.add()
        take, late = post._lanes.next, [second]

        def take_or_end() -> Due | None:
            due = take()
            if due is None and late:
                asyncio.get_running_loop().call_soon(post.push, late.pop())
            return due

        monkeypatch.setattr(post._lanes, "next", take_or_end)
        post.push(first)
        await house.until("sent", "sent", "sent")
    assert late == []


@pytest.mark.long
async def test_many_people_share_a_few_connections(house: House) -> None:
    house.bounds = Bounds(deadline=5.0, idle=60.0, connections=3)
    for n in range(400):
        await house.add(f"p{n % 40}")
    async with house.running():
        await house.until(*["sent"] * 400)
    assert 2 <= house.smarthost.most_open <= 3
    sent = [to.partition("@")[0].split(".") for to in house.recipients()]
    for person in {person for person, _ in sent}:
        mine = [int(number) for one, number in sent if one == person]
        assert len(mine) == 10
        assert mine == sorted(mine)


async def test_an_idle_connection_is_closed_with_goodbye(house: House) -> None:
    house.bounds = Bounds(deadline=5.0, idle=0.02)
    said: list[str] = []
    house.smarthost.script = lambda step, to: said.append(step)
    await house.add()
    async with house.running():
        await house.smarthost.until(lambda: bool(said) and house.smarthost.open == 0)
        assert said[-1] == "quit"


@pytest.mark.parametrize("word", ["hang up", "421 4.4.2 idle too long", "250 unasked"])
async def test_a_kept_connection_that_died_is_no_failure(house: House, word: str) -> None:
    async with house.running() as post:
        post.push(await house.add())
        await house.until("sent")
        for writer in list(house.smarthost._writers):
            writer.write(word.encode() + b"\r\n") if word[0].isdigit() else None
        if not word.startswith("250"):
            house.smarthost.hang_up()
        post.push(await house.add())
        states = await house.until("sent", "sent")
    assert states == [("sent", 0, None)] * 2
    assert house.smarthost.connections == 2
    assert house.told == [True]


@pytest.mark.parametrize("step", ["drop", "421 4.4.2 idle too long"])
async def test_a_kept_connection_that_ends_with_the_next_mail_is_no_failure(
    house: House, step: str
) -> None:
    def script(at: str, to: str) -> str | None:
        old = house.smarthost.connections == 1 and len(house.smarthost.taken) == 1
        return step if at == "mail" and old else None

    house.smarthost.script = script
    async with house.running() as post:
        post.push(await house.add())
        await house.until("sent")
        post.push(await house.add())
        states = await house.until("sent", "sent")
    assert states == [("sent", 0, None)] * 2
    assert house.smarthost.connections == 2


async def test_a_smarthost_that_is_down_is_tried_by_one_connection_with_growing_pauses(
    house: House,
) -> None:
    port = house.smarthost.port
    await house.smarthost.stop()
    for person in ("ann", "bo", "cy", "di", "ed", "flo"):
        await house.add(person)
    with capture_logs() as logs:
        async with house.running() as post:
            error = await house.tried(1)
            assert "localhost: " in error
            pauses = []
            for tries in range(2, 8):
                reach = await house.reach(post)
                assert reach.next_try is not None
                pauses.append((reach.next_try - house.clock.now()).total_seconds())
                house.clock.set(reach.next_try)
                await house.failed(post, tries)
            reach = await house.reach(post)
            assert (reach.waiting, reach.down_since is not None) == (6, True)
            assert pauses == [60, 120, 240, 480, 960, 1800]
            await house.smarthost.start(port)
            house.clock.move(3600)
            await house.until(*["sent"] * 6)
            assert (await house.reach(post)).down_since is None
    assert house.smarthost.most_open <= 4
    assert logs == []
    assert house.told == [False, True]


def saying(**answers: str) -> Callable[[str, str], str | None]:
    return lambda step, to: answers.get(step)


@pytest.mark.long(after=4)
@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ({"greet": "421 4.3.2 not now"}, "421"),
        ({"greet": "554 5.7.1 go away"}, "554"),
        ({"greet": "drop"}, "closed"),
        ({"greet": "\xff\xfe HTTP/1.1 400"}, "Malformed"),
        ({"greet": "flood"}, "too long"),
        ({"greet": "hang"}, "within"),
        ({"mail": "451 4.3.0 later"}, "the sender: 451"),
        ({"mail": "550 5.7.1 not yours"}, "the sender: 550"),
        ({"mail": "drop"}, "closed"),
        ({"mail": "hang"}, "within"),
        ({"mail": "flood"}, "never ends"),
        ({"mail": "what?"}, "not SMTP"),
        ({"rcpt": "421 4.3.2 closing"}, "421"),
        ({"data": "530 5.7.0 log in first"}, "530"),
        ({"data": "250 2.0.0 done"}, "the mail: not an answer to that: 250"),
        ({"end": "354 go on"}, "the mail: not an answer to that: 354"),
    ],
    ids=lambda value: "-".join(value.values())[:20] if isinstance(value, dict) else "",
)
async def test_a_fault_of_the_smarthost_keeps_everything_and_comes_right(
    house: House, answers: dict[str, str], word: str
) -> None:
    house.bounds = Bounds(deadline=0.2 if "hang" in answers.values() else 5.0, idle=60.0)
    house.smarthost.script = saying(**answers)
    first, second = await house.add("ann"), await house.add("bo")
    async with house.running() as post:
        error = await house.tried(1)
        assert word in error
        await house.failed(post, 1)
        assert (await house.reach(post)).waiting == 2
        assert house.smarthost.connections <= 2
        house.smarthost.script = saying()
        house.clock.move(61)
        await house.until("sent", "sent")
    heard = house.recipients()
    assert set(heard) == {first.to, second.to}
    assert (len(heard) > 2) is ("end" in answers), (
        "only what it took and did not say so comes again"
    )


async def test_a_mail_that_was_taken_is_sent_whatever_nonsense_follows(house: House) -> None:
    """But the connection is not used again."""
    house.smarthost.script = saying(end="250 2.0.0 queued\r\nthank you")
    async with house.running() as post:
        for _ in range(2):
            post.push(await house.add())
            await house.reaches(lambda: len(house.smarthost.taken) == house.count)
            await house.smarthost.until(lambda: house.smarthost.open == 0)
        states = await house.until("sent", "sent")
    assert states == [("sent", 0, None)] * 2
    assert house.smarthost.connections == 2


async def test_a_smarthost_that_knows_no_ehlo_is_greeted_by_helo(house: House) -> None:
    house.smarthost.script = saying(ehlo="502 5.5.1 what?")
    await house.add()
    async with house.running():
        await house.until("sent")
    assert house.recipients() == ["ann.1@example.org"]


@pytest.mark.parametrize(
    ("methods", "logins"),
    [
        ("CRAM-MD5 PLAIN LOGIN", ["\0house\0right"]),
        ("LOGIN", ["house", "right"]),
        ("CRAM-MD5", []),
    ],
)
async def test_the_log_in_takes_the_way_that_the_smarthost_offers(
    house: House, monkeypatch: pytest.MonkeyPatch, methods: str, logins: list[str]
) -> None:
    """One try only: each more would count as a wrong password."""
    monkeypatch.setenv("HOUSECARL_TEST_POST", "right")
    house.settings = {"user": "house", "password": Secret(env="HOUSECARL_TEST_POST")}
    house.smarthost.methods = methods
    await house.add()
    async with house.running():
        if logins:
            await house.until("sent")
        else:
            assert "it offers neither AUTH PLAIN nor AUTH LOGIN" in await house.tried(1)
    assert house.smarthost.logins == logins


async def test_authorities_that_are_not_there_keep_everything_and_are_told(
    house: House, tmp_path: Path
) -> None:
    house.settings = {"tls": "starttls", "ca": tmp_path / "gone.pem"}
    await house.add()
    async with house.running():
        assert "No such file" in await house.tried(1)
    assert house.smarthost.connections == 0


async def test_a_refused_recipient_is_noted_and_blocks_nobody(house: House) -> None:
    bad = await house.add("ann", "13035550123.1@txt.example")
    await house.add("ann")
    await house.add("bo")
    house.smarthost.script = lambda step, to: (
        f"550 5.1.1 <{to}> no such user" if step == "rcpt" and to == bad.to else None
    )
    with capture_logs() as logs:
        async with house.running():
            states = await house.until("refused", "sent", "sent")
    assert states[0][1] == 1
    assert "550 5.1.1 <...0123.1@" in (states[0][2] or "")
    assert "3035550123" not in str(logs)
    assert [entry["event"] for entry in logs] == ["reply-refused"]
    assert house.smarthost.connections == 1


@pytest.mark.parametrize("damage", ["\ufffd", "\r\nDATA\r\n", " "])
async def test_an_address_that_is_damaged_ends_nothing(house: House, damage: str) -> None:
    """A bit of the journal fell over: no smarthost hears of it, and the others get theirs."""
    await house.add("ann", f"ann{damage}@example.org")
    await house.add("bo")
    async with house.running():
        states = await house.until("refused", "sent")
    assert states[0][2] == "its address is damaged"
    assert house.recipients() == ["bo.2@example.org"]


async def test_a_bit_that_makes_bytes_of_a_text_or_a_text_of_bytes_ends_nothing(
    house: House,
) -> None:
    """One bit of a row says which of the two a value is; SQLite takes either."""
    await house.add("ann")

    def turn(conn: Connection) -> None:
        conn.execute(
            "UPDATE replies SET address = CAST(address AS BLOB), mail = CAST(mail AS TEXT)"
        )

    await house.database.write(turn)
    async with house.running():
        await house.until("sent")
    assert house.smarthost.taken == [("ann.1@example.org", DOTTED)]


@pytest.mark.long(after=2)
@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    "answers", [{"rcpt": "450 4.2.1 grey"}, {"data": "451 4.3.0 no"}, {"end": "452 4.3.1 full"}]
)
async def test_a_reply_put_off_holds_back_only_its_person(
    house: House, answers: dict[str, str], pipelining: bool
) -> None:
    house.smarthost.pipelining = pipelining
    house.smarthost.script = lambda step, to: answers.get(step) if to == "ann@x.org" else None
    await house.add("ann", "ann@x.org")
    await house.add("ann", "later@x.org")
    await house.add("bo", "bo@x.org")
    async with house.running() as post:
        await house.until("waiting", "waiting", "sent")
        await house.tried(1)
        post.push(await house.add("ann", "last@x.org"))
        post.push(await house.add("bo", "bo2@x.org"))
        await house.until("waiting", "waiting", "sent", "waiting", "sent")
        house.smarthost.script = saying()
        house.smarthost.taken.clear()
        house.clock.move(61)
        await house.until(*["sent"] * 5)
    assert house.recipients() == ["ann@x.org", "later@x.org", "last@x.org"]
    assert house.told == [True]


@pytest.mark.parametrize("step", ["rcpt", "data", "end"])
async def test_a_reply_taken_but_not_acknowledged_is_sent_again_unchanged(
    house: House, step: str
) -> None:
    drops = [step]
    house.smarthost.script = lambda at, to: (
        "drop" if at in drops and not drops.remove(at) else None  # type: ignore[func-returns-value]
    )
    await house.add()
    async with house.running():
        await house.tried(1)
        house.clock.move(61)
        await house.until("sent")
    assert house.smarthost.taken == [("ann.1@example.org", DOTTED)] * (2 if step == "end" else 1)


async def test_a_mail_that_breaks_the_connection_each_time_blocks_nobody(house: House) -> None:
    house.smarthost.script = lambda step, to: "drop" if (step, to) == ("end", "bad@x") else None
    await house.add("ann", "bad@x")
    await house.add("bo", "bo@x")
    async with house.running() as post:
        await house.until("waiting", "sent")
        assert (await house.reach(post)).down_since is None


async def test_a_smarthost_that_drops_every_mail_is_left_alone(house: House) -> None:
    house.smarthost.script = saying(end="drop")
    for n in range(20):
        await house.add(f"p{n}")
    async with house.running() as post:
        await house.failed(post, 1)
        assert house.smarthost.connections <= 3


async def test_a_reply_too_old_is_given_up_after_one_more_try(house: House) -> None:
    house.smarthost.script = saying(rcpt="450 4.2.1 no")
    house.settings = {"give_up": "4d"}
    await house.add("ann")
    async with house.running():
        await house.tried(1)
        house.clock.move(timedelta(days=4) - timedelta(minutes=1))
        await house.tried(2)
        house.clock.move(timedelta(minutes=2))
        await house.add("bo")
        states = await house.until("refused", "waiting")
    assert (states[0][2] or "").startswith("expired: the recipient: 450")


async def test_what_nobody_could_send_for_so_long_is_given_up_when_it_is_found(
    house: House,
) -> None:
    """A house that was off for a month, or got a post only then, does not tell of old times."""
    house.settings = {"give_up": "4d"}
    await house.add("ann")
    house.clock.move(timedelta(days=30))
    await house.add("ann")
    async with house.running() as post:
        states = await house.until("refused", "sent")
        assert states[0][2] == "expired: it was due for too long"
        now = house.clock.now().timestamp()
        assert await house.database.write(lambda conn: replies.retry(conn, 1, now))
        post.wake()
        await house.until("sent", "sent")


async def test_a_long_outage_gives_up_what_is_old_and_keeps_the_rest(house: House) -> None:
    await house.smarthost.stop()
    for n in range(5):
        await house.add(f"p{n}")
    async with house.running() as post:
        await house.tried(1)
        house.clock.move(timedelta(days=4))
        await house.add("new")
        post.wake()
        await house.until(*["refused"] * 5, "waiting")


async def test_a_restart_keeps_the_schedule(house: House) -> None:
    await house.smarthost.stop()
    await house.add()
    async with house.running():
        await house.tried(1)
    async with house.running() as post:
        house.clock.move(61)
        await house.tried(2)
        reach = await house.reach(post)
        assert reach.next_try == house.clock.now() + timedelta(minutes=2)


async def test_a_wrong_password_is_tried_once_a_round_and_refuses_nothing(
    house: House, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    house.settings = {"user": "house", "password": Secret(file=secret)}
    house.smarthost.script = saying(auth="535 5.7.8 wrong password")
    await house.add()
    async with house.running():
        assert "535" in await house.tried(1)
        assert house.smarthost.logins == ["\0house\0wrong"]
        secret.unlink()
        house.clock.move(61)
        assert "does not exist" in await house.tried(2)
        secret.write_text("right")
        secret.chmod(0o600)
        house.smarthost.script = saying()
        house.clock.move(3600)
        await house.until("sent")
    assert house.smarthost.logins[-1] == "\0house\0right"


def certificate(folder: Path, *, days: int) -> tuple[ssl.SSLContext, Path]:
    """TLS of a server with a certificate for localhost that ends in `days`, and its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{days} days")])
    ends = datetime.now(UTC) + timedelta(days=days)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{days}.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + signed.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_over_tls_the_smarthost_must_prove_its_name(
    house: House, tmp_path: Path, tls: str
) -> None:
    context, ca = certificate(tmp_path, days=30)
    expired, old = certificate(tmp_path, days=-1)
    both = tmp_path / "both.pem"
    both.write_text(ca.read_text() + old.read_text())
    house.settings = {"tls": tls, "ca": both}
    await house.smarthost.stop()
    house.smarthost.use_tls(expired, implicit=tls == "tls")
    await house.smarthost.start()
    await house.add()
    async with house.running():
        assert "certificate has expired" in await house.tried(1)
        assert house.smarthost.taken == []
        house.smarthost.use_tls(context, implicit=tls == "tls")
        port = house.smarthost.port
        await house.smarthost.stop()
        await house.smarthost.start(port)
        house.clock.move(61)
        await house.until("sent")
    assert house.smarthost.taken == [("ann.1@example.org", DOTTED)]
    assert house.smarthost.secure == [True]


async def test_tls_where_the_port_speaks_none_says_so(house: House) -> None:
    """The commonest mistake: the port of the one with the word of the other."""
    house.settings = {"tls": "tls"}
    await house.add()
    async with house.running():
        error = await house.tried(1)
    assert error.startswith("localhost: TLS failed: ")
    assert error.endswith("(with tls: tls the port is 465, with 587 it is tls: starttls)")


async def test_who_hangs_up_instead_of_tls_closed_the_connection(
    house: House, tmp_path: Path
) -> None:
    context, ca = certificate(tmp_path, days=30)
    house.settings = {"tls": "starttls", "ca": ca}
    house.smarthost.use_tls(context, implicit=False)
    house.smarthost.script = saying(starttls="drop")
    await house.add()
    async with house.running():
        assert await house.tried(1) == "localhost: it closed the connection"


async def test_starttls_that_is_not_offered_sends_nothing(house: House) -> None:
    house.settings = {"tls": "starttls"}
    await house.add()
    async with house.running():
        assert "STARTTLS" in await house.tried(1)
    assert house.smarthost.taken == []


@pytest.mark.long(after=1)
@pytest.mark.parametrize("step", ["greet", "ehlo", "end"])
async def test_stop_lets_a_hanging_mail_go_and_keeps_it(house: House, step: str) -> None:
    """Also one whose connection is only being opened, which is ended."""
    asked: list[str] = []

    def script(at: str, to: str) -> str | None:
        asked.append(at)
        return "hang" if at == step else None

    house.smarthost.script = script
    await house.add()
    async with house.running():
        await house.smarthost.until(lambda: house.smarthost.open == 1)
        await house.reaches(lambda: step in asked)
    assert await house.states() == [("waiting", 0, None)]
    await house.smarthost.until(lambda: house.smarthost.open == 0)


@pytest.mark.long
async def test_a_connection_that_is_needed_stays_when_another_is_closed(house: House) -> None:
    house.bounds = Bounds(deadline=5.0, idle=0.5)
    pool = Pool(house.post()._settings, house.bounds)
    idle, _ = await pool.borrow()
    needed, _ = await pool.borrow()
    pool.give_back(idle)
    asyncio.get_running_loop().call_later(0.4, pool.give_back, needed)
    await house.smarthost.until(lambda: house.smarthost.open == 1)
    assert [dialogue for dialogue, _ in pool._kept] == [needed]
    await house.smarthost.until(lambda: house.smarthost.open == 0)


async def test_who_ends_every_connection_ends_also_what_is_lent(house: House) -> None:
    post = house.post()
    pool = Pool(post._settings, house.bounds)
    kept, _ = await pool.borrow()
    await pool.borrow()
    pool.give_back(kept)
    assert house.smarthost.open == 2
    pool.abort()
    await house.smarthost.until(lambda: house.smarthost.open == 0)


async def test_a_broken_journal_ends_the_run_with_its_error(house: House) -> None:
    await house.add()

    def spoil(step: str, to: str) -> None:
        if step == "end":
            house.database.write = broken  # type: ignore[method-assign,assignment]

    async def broken(do: object) -> None:
        raise StorageError("disk full")

    house.smarthost.script = spoil
    with pytest.raises(StorageError, match="disk full"):
        async with asyncio.timeout(5):
            await house.post().run()


async def test_a_clock_that_was_set_back_during_an_outage_stops_no_reply(house: House) -> None:
    """Neither the pause of the outage, nor a next try in the journal, nor a reply from tomorrow."""
    port = house.smarthost.port
    await house.smarthost.stop()
    for person in ("ann", "bo"):
        await house.add(person)
    async with house.running() as post:
        await house.tried(1)
        await house.resting()
        house.clock.move(timedelta(hours=-3))
        await house.failed(post, 2)
        reach = await house.reach(post)
        assert reach.next_try is not None
        assert reach.next_try - house.clock.now() == timedelta(minutes=2)
        await house.add("cy")
    house.clock.move(timedelta(hours=-3))
    await house.smarthost.start(port)
    async with house.running():
        await house.until("sent", "sent", "sent")


async def test_a_clock_that_was_set_back_a_little_sends_no_text_before_its_time(
    house: House,
) -> None:
    """What waits for the budget waits on."""
    at = house.clock.now().timestamp()
    out = Outgoing("ann", "reply", "ann@x", "<1@x>", "on.", MAIL, at, not_before=at + 7200)
    await house.database.write(lambda conn: replies.add(conn, out))
    house.clock.move(-30)
    async with house.running() as post:
        post.push(await house.add("bo"))
        await house.until("waiting", "sent")
