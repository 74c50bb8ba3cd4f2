"""SMTP AUTH: who proves what under TLS, and what guessing costs."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosmtplib
import argon2
import pytest
from structlog.testing import capture_logs
from tests.doors.smtp_peer import (
    CMD,
    MESSAGE,
    Peer,
    Served,
    auth_plain,
    coded,
    has_left,
    secured,
    serving,
)

from housecarl.doors.smtp_login import FREE_FAILURES, MAX_WAIT, NOBODY, Logins, dialogue
from housecarl.doors.smtp_session import SmtpSession
from housecarl.doors.smtp_turns import Busy

RIGHT = auth_plain("", "ann-user", "correct horse")
WRONG = auth_plain("", "ann-user", "wrong horse")


@pytest.mark.parametrize("manner", ["starttls", "tls"])
async def test_a_person_proves_who_they_are_under_either_tls(
    served: Served, trusting: ssl.SSLContext, manner: str
) -> None:
    """And is then bound by the recipients but not by the rules."""
    async with secured(served, trusting, manner) as peer:
        assert (await peer.message()).startswith("550 5.7.1 ")
        assert (await peer.say(RIGHT)).startswith("235 ")
        assert (await peer.say(RIGHT)).startswith("503 ")
        assert (await peer.message()).startswith("250 ")
        await peer.say("MAIL FROM:<ann@example.org>")
        assert (await peer.say("RCPT TO:<x@example.org>")).startswith("550 ")
    [(raw, stamp)] = served.kept
    assert raw == MESSAGE
    assert stamp.login == "ann"
    assert stamp.tls == "TLSv1.3"


async def test_nobody_logs_in_before_they_say_who_they_are(
    served: Served, trusting: ssl.SSLContext
) -> None:
    peer = Peer(
        *await asyncio.open_connection(
            *served.door.address_tls, ssl=trusting, server_hostname="localhost"
        )
    )
    served.peers.append(peer)
    await peer.reply()
    assert await peer.say(RIGHT) == "503 5.5.1 Say EHLO first"
    await peer.say("EHLO peer.example")
    assert (await peer.say(RIGHT)).startswith("235 ")


async def test_malformed_mail_of_a_person_is_refused_too(
    served: Served, trusting: ssl.SSLContext
) -> None:
    async with secured(served, trusting, "tls") as peer:
        await peer.say(RIGHT)
        assert (await peer.message(b"nonsense\r\n")).startswith("550 5.6.0 ")


async def test_a_login_goes_step_by_step_and_can_be_broken_off(
    served: Served, trusting: ssl.SSLContext
) -> None:
    async with secured(served, trusting, "tls") as peer:
        assert await peer.say("AUTH LOGIN") == "334 " + coded("Username:")
        assert await peer.say(coded("ann-user")) == "334 " + coded("Password:")
        assert (await peer.say("*")).startswith("501 5.7.0 ")
        assert await peer.say("auth login " + coded("ann-user")) == "334 " + coded("Password:")
        assert (await peer.say(coded("correct horse"))).startswith("235 ")
    async with secured(served, trusting, "tls") as peer:
        assert await peer.say("AUTH PLAIN") == "334 "
        as_herself = coded("ann-user", "ann-user", "correct horse")
        assert (await peer.say(as_herself)).startswith("235 ")


async def test_an_ordinary_client_logs_in(served: Served, trusting: ssl.SSLContext) -> None:
    for port, at_once in ((served.door.address[1], False), (served.door.address_tls[1], True)):
        async with aiosmtplib.SMTP(
            hostname="localhost",
            port=port,
            tls_context=trusting,
            use_tls=at_once,
            start_tls=not at_once,
        ) as client:
            await client.login("ann-user", "correct horse")
            await client.sendmail("ann@example.org", [CMD], MESSAGE)
    assert [stamp.login for _, stamp in served.kept] == ["ann", "ann"]


@pytest.mark.long(after=4)
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (WRONG, "535"),
        (auth_plain("", "nobody", "correct horse"), "535"),
        (auth_plain("", "", ""), "535"),
        (auth_plain("bo", "ann-user", "correct horse"), "501"),
        (auth_plain("ann-user", "correct horse"), "501"),
        ("AUTH PLAIN !!!!", "501"),
        ("AUTH PLAIN /////w==", "501"),
        ("AUTH PLAIN =", "501"),
        ("AUTH CRAM-MD5", "504"),
        ("AUTH", "504"),
    ],
)
async def test_what_proves_nobody(
    served: Served, trusting: ssl.SSLContext, command: str, code: str
) -> None:
    async with secured(served, trusting, "tls") as peer:
        with capture_logs() as logs:
            assert (await peer.say(command))[:3] == code
            assert (await peer.message()).startswith("550 ")
        assert "horse" not in repr(logs)


async def test_the_third_wrong_password_ends_the_session(
    served: Served, trusting: ssl.SSLContext
) -> None:
    async with secured(served, trusting, "tls") as peer:
        assert [(await peer.say(WRONG))[:3] for _ in range(3)] == ["535", "535", "421"]
        assert await peer.ended() == b""


async def test_an_unknown_user_costs_what_a_known_one_costs(
    costly: dict[str, tuple[str, str]],
) -> None:
    """The dummy hash has the same parameters, and no password fits it."""
    assert argon2.extract_parameters(NOBODY) == argon2.extract_parameters(costly["ann-user"][1])
    checks = Logins(costly)
    assert await checks.verify("ann-user", "correct horse", "") == "ann"
    assert await checks.verify("ann-user", "x", "") is None
    assert await checks.verify("nobody", "correct horse", "") is None
    assert await Logins({"x": ("x", "not a hash")}).verify("x", "x", "") is None


@pytest.mark.long
async def test_an_unknown_user_takes_as_long_as_a_known_one(
    costly: dict[str, tuple[str, str]],
) -> None:
    checks = Logins(costly)
    await checks.verify("ann-user", "x", "")  # loads argon2
    took = {"ann-user": 1.0, "nobody": 1.0}
    for user in ("ann-user", "nobody") * 4:
        began = time.monotonic()
        await checks.verify(user, "wrong horse", "")
        took[user] = min(took[user], time.monotonic() - began)
    assert took["nobody"] > took["ann-user"] / 2


@pytest.mark.long
async def test_passwords_are_checked_one_at_a_time_off_the_loop_and_a_queue_is_bounded() -> None:
    checks = Logins({})
    asked = [asyncio.create_task(checks.verify("x", "y", "")) for _ in range(20)]
    turns = 0
    while not all(task.done() for task in asked):
        await asyncio.sleep(0.001)
        turns += 1
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert (results.count(None), sum(isinstance(each, Busy) for each in results)) == (17, 3)
    assert turns > 100, "the loop went on meanwhile: one that checks has a turn for each"


@pytest.mark.parametrize("source", ["127.0.0.1", pytest.param("127.0.0.2", marks=pytest.mark.long)])
@pytest.mark.long
async def test_who_logs_in_does_not_wait_for_50_that_guess(
    pair: tuple[Path, Path],
    costly: dict[str, tuple[str, str]],
    trusting: ssl.SSLContext,
    source: str,
) -> None:
    """They are told to come again, or slowed; another address gets its turn after one of theirs."""
    bounds = {"connections": 80, "per_address": 60, "rate": 0}
    under_tls = {"cert": pair[0], "key": pair[1], "listen_tls": "127.0.0.1:0"}
    heard: list[str] = []
    put_off = asyncio.Event()

    async def guess(served: Served) -> None:
        while True:
            async with secured(served, trusting, "tls", source) as peer:
                while (reply := await peer.say(WRONG))[:3] in ("535", "454"):
                    heard.append(reply[:3])
                    if reply.startswith("454"):
                        put_off.set()

    async with serving(costly, **under_tls, **bounds) as served:
        guessing = [asyncio.create_task(guess(served)) for _ in range(50)]
        try:
            async with asyncio.timeout(20):
                await put_off.wait()
            for _ in range(3):
                async with secured(served, trusting, "tls", "127.0.0.3") as peer:
                    assert (await peer.say(RIGHT)).startswith("235 ")
        finally:
            for each in guessing:
                each.cancel()
            await asyncio.gather(*guessing, return_exceptions=True)
        assert "535" in heard


async def test_who_logs_in_goes_before_guessers_at_many_addresses() -> None:
    """Until a quarter of an hour after their last guess."""
    now = [100.0]
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    checks = Logins({"ann-user": ("ann", cheap)}, now=lambda: now[0])
    guessers = [f"192.0.2.{n}" for n in range(20)]
    for each in guessers:
        assert await checks.verify("ann-user", "x", each) is None
    over: list[str] = []

    async def log_in(address: str) -> None:
        try:
            await checks.verify("ann-user", "y", address)
            over.append(address)
        except Busy:
            pass

    async def race() -> int:
        """The place of somebody who comes after all the others."""
        over.clear()
        racing = [asyncio.create_task(log_in(each)) for each in [*guessers, "198.51.100.1"]]
        await asyncio.gather(*racing)
        assert len(over) == 17
        return over.index("198.51.100.1")

    assert await race() == 1, "after the one whose check had begun"
    now[0] += MAX_WAIT + 1
    with pytest.raises(ValueError, match="not in list"):
        await race()


async def test_who_leaves_takes_its_password_along(
    served: Served, trusting: ssl.SSLContext
) -> None:
    """All but the one that is just being checked, which is seen through."""
    logins = served.door._desk.logins
    checking, go_on = threading.Event(), threading.Event()

    checked: list[str] = []

    def check(stored: str, password: str) -> bool:
        checked.append(password)
        checking.set()
        return go_on.wait(5)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("housecarl.doors.smtp_login._is_right", check)
        for n in range(4):
            async with secured(served, trusting, "tls") as peer:
                peer.send(auth_plain("", "ann-user", f"{n}").encode() + b"\r\n")
        await asyncio.to_thread(checking.wait, 5)
        for peer in served.peers:
            await peer.close()
        async with asyncio.timeout(5):
            while served.door._desk.crowd.guests:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.005)
        again = asyncio.create_task(logins.verify("ann-user", "again", ""))
        await asyncio.sleep(0)
        assert checked == ["0"], "one at a time"
        go_on.set()
        assert await again == "ann"
    assert checked == ["0", "again"]


async def test_who_guesses_from_one_address_has_to_wait(
    logins: dict[str, tuple[str, str]],
) -> None:
    now = [100.0]
    checks = Logins(logins, now=lambda: now[0])
    for _ in range(FREE_FAILURES):
        assert await checks.verify("ann-user", "x", "192.0.2.1") is None
    with pytest.raises(Busy):
        await checks.verify("ann-user", "correct horse", "192.0.2.1")
    assert await checks.verify("ann-user", "correct horse", "192.0.2.2") == "ann"
    now[0] += 1.0
    assert await checks.verify("ann-user", "x", "192.0.2.1") is None
    now[0] += 1.0
    with pytest.raises(Busy):
        await checks.verify("ann-user", "correct horse", "192.0.2.1")
    now[0] += 1.0
    assert await checks.verify("ann-user", "correct horse", "192.0.2.1") == "ann"
    for _ in range(FREE_FAILURES):
        assert await checks.verify("ann-user", "x", "192.0.2.1") is None, "counted anew"


async def test_guessers_are_remembered_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who guessed last before all the others is forgotten first."""
    monkeypatch.setattr("housecarl.doors.smtp_login.MAX_ADDRESSES", 2)
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    checks = Logins({"ann-user": ("ann", cheap)}, now=lambda: 100.0)
    old, late = ["192.0.2.1"] * FREE_FAILURES, ["192.0.2.2"] * FREE_FAILURES
    for address in [late.pop(), *old, *late, "192.0.2.3"]:
        assert await checks.verify("ann-user", "x", address) is None
    assert await checks.verify("ann-user", "correct horse", "192.0.2.1") == "ann"
    with pytest.raises(Busy):
        await checks.verify("ann-user", "correct horse", "192.0.2.2")


async def test_a_wrong_password_is_answered_late(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]], trusting: ssl.SSLContext
) -> None:
    async with (
        serving(logins, cert=pair[0], key=pair[1], listen_tls="127.0.0.1:0", tarpit=0.1) as served,
        secured(served, trusting, "tls") as peer,
    ):
        began = time.monotonic()
        await peer.say(WRONG)
        assert time.monotonic() - began >= 0.1


async def test_who_has_guessed_is_put_off_late_too(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]], trusting: ssl.SSLContext
) -> None:
    """Told at once it would ask again at once; and whoever is put off so can be driven out."""
    under_tls = {"cert": pair[0], "key": pair[1], "listen_tls": "127.0.0.1:0"}
    async with serving(logins, **under_tls, tarpit=0.1, connections=1, grace=0.0) as served:
        for _ in range(FREE_FAILURES):
            await served.door._desk.logins.verify("ann-user", "x", "127.0.0.2")
        async with secured(served, trusting, "tls", "127.0.0.2") as peer:
            began = time.monotonic()
            assert (await peer.say(RIGHT)).startswith("454 ")
            assert time.monotonic() - began >= 0.1
            (guest,) = served.door._desk.crowd.guests.values()
            assert isinstance(guest, SmtpSession)
            peer.send(b"RSET\r\n" + RIGHT.encode() + b"\r\n")
            async with asyncio.timeout(5):
                while not guest._unsaid:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0)
            async with secured(served, trusting, "tls", "127.0.0.3") as other:
                assert (await other.say(RIGHT)).startswith("235 ")
            assert (await peer.ended()).startswith(b"250 2.0.0 OK\r\n421 ")


_NEVER_SEEN = itertools.count()


@asynccontextmanager
async def no_turn(served: Served) -> AsyncIterator[None]:
    """All places for passwords are taken, each by another address, while the block runs."""
    checks, go_on = served.door._desk.logins, threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("housecarl.doors.smtp_login._is_right", lambda *_: go_on.wait(5))
        others = [f"never seen {next(_NEVER_SEEN)}" for _ in range(17)]
        waiting = [asyncio.create_task(checks.verify("x", "y", each)) for each in others]
        await asyncio.sleep(0)
        try:
            yield
        finally:
            go_on.set()
            await asyncio.gather(*waiting)


async def test_who_is_put_off_a_third_time_is_told_late_and_goes_behind_all_others(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]], trusting: ssl.SSLContext
) -> None:
    """A mail program tries PLAIN, then LOGIN, and gives up: nothing is held against that."""
    under_tls = {"cert": pair[0], "key": pair[1], "listen_tls": "127.0.0.1:0"}
    async with serving(logins, **under_tls, tarpit=0.3) as served:
        crowd = served.door._desk.crowd
        async with no_turn(served), secured(served, trusting, "tls", "127.0.0.2") as peer:
            for late in (False, False, True):
                began = time.monotonic()
                assert (await peer.say(RIGHT)).startswith("454 ")
                assert (time.monotonic() - began >= 0.3) is late
                assert crowd.is_fruitless("127.0.0.2") is late


async def test_whoever_is_put_off_and_gives_up_is_not_held_to_have_brought_nothing(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]], trusting: ssl.SSLContext
) -> None:
    under_tls = {"cert": pair[0], "key": pair[1], "listen_tls": "127.0.0.1:0"}
    async with serving(logins, **under_tls) as served:
        async with no_turn(served), secured(served, trusting, "tls", "127.0.0.2") as peer:
            assert (await peer.say(RIGHT)).startswith("454 ")
            await has_left(served, peer)
        assert not served.door._desk.crowd.is_fruitless("127.0.0.2")


@pytest.mark.parametrize(
    ("said", "fruitless"),
    [
        (["WRONG", "put off"], True),
        (["put off", "WRONG"], True),
        (["message", "put off", "put off", "put off"], False),
    ],
)
async def test_what_a_session_is_remembered_by(
    pair: tuple[Path, Path],
    logins: dict[str, tuple[str, str]],
    trusting: ssl.SSLContext,
    said: list[str],
    fruitless: bool,
) -> None:
    """A guess is not excused by our being busy, before or after it; a message counts for good."""
    under_tls = {"cert": pair[0], "key": pair[1], "listen_tls": "127.0.0.1:0"}
    async with (
        serving(logins, **under_tls) as served,
        secured(served, trusting, "tls", "127.0.0.2") as peer,
    ):
        for each in said:
            if each == "message":
                assert (await peer.message()).startswith("250 ")
            elif each == "WRONG":
                assert (await peer.say(WRONG)).startswith("535 ")
            else:
                async with no_turn(served):
                    assert (await peer.say(RIGHT)).startswith("454 ")
        await has_left(served, peer)
        assert served.door._desk.crowd.is_fruitless("127.0.0.2") is fruitless


async def test_who_is_locked_out_is_not_excused(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]], trusting: ssl.SSLContext
) -> None:
    """That it has to wait is its own doing."""
    under_tls = {"cert": pair[0], "key": pair[1], "listen_tls": "127.0.0.1:0"}
    async with (
        serving(logins, **under_tls) as served,
        secured(served, trusting, "tls", "127.0.0.2") as peer,
    ):
        for _ in range(FREE_FAILURES):
            await served.door._desk.logins.verify("ann-user", "x", "127.0.0.2")
        assert (await peer.say(RIGHT)).startswith("454 ")
        await has_left(served, peer)
        assert served.door._desk.crowd.is_fruitless("127.0.0.2")


async def test_an_address_that_is_doubtful_for_another_reason_goes_last_too() -> None:
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    checks = Logins({"ann-user": ("ann", cheap)}, lambda address: address != "home")
    over: list[str] = []

    async def log_in(address: str) -> None:
        await checks.verify("ann-user", "correct horse", address)
        over.append(address)

    await asyncio.gather(*(log_in(each) for each in ("a", "b", "c", "home")))
    assert over.index("home") == 1, "after the one whose check had begun"


async def test_without_logins_auth_is_not_offered(
    pair: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    async with (
        serving(cert=pair[0], key=pair[1], listen_tls="127.0.0.1:0") as served,
        secured(served, trusting, "tls") as peer,
    ):
        assert "AUTH" not in await peer.say("EHLO x")
        assert (await peer.say(RIGHT)).startswith("502 ")


async def test_a_dialogue_may_be_empty_at_first() -> None:
    asked = []

    async def ask(challenge: str) -> str:
        asked.append(challenge)
        return coded("", "a", "b")

    assert await dialogue("PLAIN", None, ask) == ("a", "b")
    assert asked == [""]
