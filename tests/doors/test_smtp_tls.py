"""STARTTLS, TLS from the first byte, and AUTH under either."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosmtplib
import argon2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs
from tests.doors.smtp_peer import CMD, MESSAGE, Peer, Served, serving

from housecarl.doors.smtp_login import FREE_FAILURES, NOBODY, Busy, Logins, dialogue
from housecarl.errors import ConfigError, Unreachable

HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key, made now."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert, secret


@pytest.fixture(scope="module")
def trusting(pair: tuple[Path, Path]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=pair[0])


@pytest.fixture(scope="module")
def logins() -> dict[str, tuple[str, str]]:
    return {"ann-user": ("ann", HASHER.hash("correct horse"))}


@pytest.fixture
async def served(
    pair: tuple[Path, Path], logins: dict[str, tuple[str, str]]
) -> AsyncIterator[Served]:
    """A door with both kinds of TLS, Ann's login, and a rule nothing passes."""
    async with serving(
        logins,
        cert=pair[0],
        key=pair[1],
        listen_tls="127.0.0.1:0",
        rules=(("nobody@nowhere.example", "*"),),
    ) as door:
        yield door


@asynccontextmanager
async def secured(served: Served, context: ssl.SSLContext, manner: str) -> AsyncIterator[Peer]:
    """A peer under TLS by `starttls` or from the first byte (`tls`), EHLO said."""
    if manner == "starttls":
        peer = await served.peer()
        await peer.starttls(context)
    else:
        host, port = served.door.address_tls
        peer = Peer(
            *await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
        )
        served.peers.append(peer)
        assert (await peer.reply()).startswith("220 ")
        await peer.say("EHLO peer.example")
    yield peer


def coded(*parts: str) -> str:
    return b64encode("\0".join(parts).encode()).decode()


RIGHT = "AUTH PLAIN " + coded("", "ann-user", "correct horse")
WRONG = "AUTH PLAIN " + coded("", "ann-user", "wrong horse")


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


async def test_malformed_mail_of_a_person_is_refused_too(
    served: Served, trusting: ssl.SSLContext
) -> None:
    async with secured(served, trusting, "tls") as peer:
        await peer.say(RIGHT)
        assert (await peer.message(b"nonsense\r\n")).startswith("550 5.6.0 ")


async def test_what_is_offered_before_and_after(served: Served, trusting: ssl.SSLContext) -> None:
    plain = await served.peer(greet=False)
    await plain.reply()
    offered = await plain.say("EHLO x")
    assert "STARTTLS" in offered and "AUTH" not in offered
    assert (await plain.say(RIGHT)).startswith("538 ")
    async with secured(served, trusting, "starttls") as peer:
        offered = await peer.say("EHLO x")
        assert "250-AUTH PLAIN LOGIN" in offered and "STARTTLS" not in offered
        assert (await peer.say("STARTTLS")).startswith("502 ")


async def test_what_was_said_before_starttls_is_forgotten(
    served: Served, trusting: ssl.SSLContext
) -> None:
    peer = await served.peer()
    await peer.say("MAIL FROM:<evil@x.example>")
    assert (await peer.say("STARTTLS")).startswith("220 ")
    await peer.writer.start_tls(trusting, server_hostname="localhost")
    assert (await peer.say(f"RCPT TO:<{CMD}>")).startswith("503 ")
    assert (await peer.say("MAIL FROM:<a@b.example>")).startswith("503 "), "EHLO again"


async def test_commands_injected_behind_starttls_are_dropped(
    served: Served, trusting: ssl.SSLContext
) -> None:
    """CVE-2024-34083: what comes in the clear with STARTTLS must not be answered under TLS."""
    peer = await served.peer()
    peer.send(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<cmd@home.ex")
    assert (await peer.reply()).startswith("220 ")
    await peer.writer.start_tls(trusting, server_hostname="localhost")
    assert (await peer.say("NOOP")) == "250 2.0.0 OK"
    assert (await peer.say("DATA")).startswith("503 ")


@pytest.mark.parametrize("manner", ["starttls", "tls"])
async def test_a_peer_that_speaks_no_tls_is_let_go(served: Served, manner: str) -> None:
    if manner == "tls":
        peer = Peer(*await asyncio.open_connection(*served.door.address_tls))
        served.peers.append(peer)
    else:
        peer = await served.peer()
        await peer.say("STARTTLS")
    peer.send(b"EHLO in.the.clear\r\n" * 10)
    assert b"250" not in await peer.ended()
    assert (await served.peer(greet=False)).reader is not None


async def test_a_handshake_that_never_comes_holds_no_place_for_long(
    pair: tuple[Path, Path],
) -> None:
    async with serving(
        cert=pair[0], key=pair[1], listen_tls="127.0.0.1:0", command=0.05, connections=1
    ) as served:
        with socket.socket() as mute:
            mute.connect(served.door.address_tls)
            mute.settimeout(0)
            async with asyncio.timeout(2):
                crowd = served.door._desk.crowd
                while not crowd.guests:  # noqa: ASYNC110 - the door tells nobody
                    await asyncio.sleep(0.005)
                while crowd.guests:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)


async def test_login_dialogue(served: Served, trusting: ssl.SSLContext) -> None:
    async with secured(served, trusting, "tls") as peer:
        assert await peer.say("AUTH LOGIN") == "334 " + coded("Username:")
        assert await peer.say(coded("ann-user")) == "334 " + coded("Password:")
        assert (await peer.say("*")).startswith("501 5.7.0 ")
        assert await peer.say("auth login " + coded("ann-user")) == "334 " + coded("Password:")
        assert (await peer.say(coded("correct horse"))).startswith("235 ")
    async with secured(served, trusting, "tls") as peer:
        assert await peer.say("AUTH PLAIN") == "334 "
        assert (await peer.say(coded("", "ann-user", "correct horse"))).startswith("235 ")


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


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (WRONG, "535"),
        ("AUTH PLAIN " + coded("", "nobody", "correct horse"), "535"),
        ("AUTH PLAIN " + coded("", "", ""), "535"),
        ("AUTH PLAIN " + coded("bo", "ann-user", "correct horse"), "501"),
        ("AUTH PLAIN " + coded("ann-user", "correct horse"), "501"),
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
    logins: dict[str, tuple[str, str]],
) -> None:
    """The dummy hash has the same parameters, and no password fits it."""
    assert argon2.extract_parameters(NOBODY) == argon2.extract_parameters(logins["ann-user"][1])
    checks = Logins(logins)
    assert await checks.verify("ann-user", "correct horse", "") == "ann"
    assert await checks.verify("ann-user", "x", "") is None
    assert await checks.verify("nobody", "correct horse", "") is None
    assert await Logins({"x": ("x", "not a hash")}).verify("x", "x", "") is None


async def test_passwords_are_checked_one_at_a_time_off_the_loop_and_a_queue_is_bounded() -> None:
    checks = Logins({})
    asked = [asyncio.create_task(checks.verify("x", "y", "")) for _ in range(20)]
    slowest, last = 0.0, time.monotonic()
    while not all(task.done() for task in asked):
        await asyncio.sleep(0.001)
        slowest, last = max(slowest, time.monotonic() - last), time.monotonic()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert (results.count(None), sum(isinstance(each, Busy) for each in results)) == (16, 4)
    assert slowest < 0.2


async def test_who_guesses_from_one_address_has_to_wait(
    logins: dict[str, tuple[str, str]],
) -> None:
    now = [100.0]
    checks = Logins(logins, lambda: now[0])
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
    assert await checks.verify("ann-user", "x", "192.0.2.1") is None, "counted anew"


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


async def test_a_certificate_that_cannot_be_used_is_named(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    with pytest.raises(ConfigError, match=r"cert\.pem.*doors\.smtp\.certificate.*No such file"):
        async with serving(cert=tmp_path / "cert.pem", key=pair[1]):
            pass
    broken = tmp_path / "key.pem"
    broken.write_text("nonsense")
    with pytest.raises(ConfigError, match=r"they are no pair in PEM"):
        async with serving(cert=pair[0], key=broken):
            pass
    with pytest.raises(Unreachable, match=r"listen_tls needs doors\.smtp\.certificate"):
        async with serving(listen_tls="127.0.0.1:0"):
            pass


async def test_old_tls_is_not_spoken(served: Served, pair: tuple[Path, Path]) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(pair[0])
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        async with secured(served, old, "tls"):
            pass
