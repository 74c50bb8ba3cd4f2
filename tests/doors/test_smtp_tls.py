"""The SMTP door under STARTTLS and under TLS from the first byte."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from pathlib import Path

import pytest
from tests.doors.smtp_peer import CMD, Peer, Served, auth_plain, secured, serving

from housecarl.doors.smtp import SmtpDoor
from housecarl.doors.smtp_settings import SmtpSettings
from housecarl.errors import ConfigError, Unreachable
from housecarl.message.stamp import Stamp

RIGHT = auth_plain("", "ann-user", "correct horse")


async def test_what_is_offered_before_and_after(served: Served, trusting: ssl.SSLContext) -> None:
    plain = await served.peer(greet=False)
    await plain.reply()
    assert (await plain.say("STARTTLS now")).startswith("501 ")
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


async def test_a_session_that_is_over_lets_go_of_tls_before_any_collector_comes(
    served: Served, trusting: ssl.SSLContext
) -> None:
    """Its 256 KiB each would be a hundred MiB when hundreds come and go in a few seconds."""

    def visit() -> None:
        raw = socket.create_connection(served.door.address_tls, 5)
        with raw, trusting.wrap_socket(raw, server_hostname="localhost") as peer:
            peer.recv(100)
            peer.sendall(b"QUIT\r\n")
            while peer.recv(100):
                pass

    def held() -> int:
        return sum(isinstance(each, SSLProtocol) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    before = held()
    try:
        for _ in range(3):
            await asyncio.to_thread(visit)
        guests = served.door._desk.crowd.guests
        async with asyncio.timeout(5):
            while guests or held() > before:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


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


async def nowhere(raw: bytes, stamp: Stamp) -> str:
    """Takes no message."""
    raise AssertionError


async def test_each_socket_of_systemd_takes_the_place_of_one_of_ours(
    pair: tuple[Path, Path], trusting: ssl.SSLContext
) -> None:
    """Port 465 from systemd leaves `listen` ours, and the other way round."""
    cert, key = pair
    for under_tls in (True, False):
        given = socket.create_server(("127.0.0.1", 0))
        door = SmtpDoor(
            SmtpSettings((CMD,), "127.0.0.1:0", "127.0.0.1:0", cert, key), nowhere, None
        )
        await door.start(**{"sockets_tls" if under_tls else "sockets": [given]})
        try:
            assert (door.address_tls == given.getsockname()) is under_tls
            assert (door.address == given.getsockname()) is not under_tls
            for place, tls in ((door.address, None), (door.address_tls, trusting)):
                name = "localhost" if tls else None
                peer = Peer(*await asyncio.open_connection(*place, ssl=tls, server_hostname=name))
                assert (await peer.reply()).startswith("220 ")
                await peer.close()
        finally:
            await door.stop()


async def test_a_socket_for_tls_without_a_certificate_is_a_sentence() -> None:
    door = SmtpDoor(SmtpSettings((CMD,)), nowhere, None)
    with (
        socket.create_server(("127.0.0.1", 0)) as given,
        pytest.raises(Unreachable, match=r"housecarl-smtps.socket needs doors.smtp.certificate"),
    ):
        await door.start(sockets_tls=[given])


async def test_two_places_that_are_one_are_a_sentence_and_nothing_is_served(
    pair: tuple[Path, Path],
) -> None:
    """The system takes both until one is listened on."""
    cert, key = pair
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host, port = free.getsockname()
    place = f"{host}:{port}"
    door = SmtpDoor(SmtpSettings((CMD,), place, place, cert, key), nowhere, None)
    with pytest.raises(Unreachable, match=rf"cannot listen on {place}: Address already in use"):
        await door.start()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)


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
