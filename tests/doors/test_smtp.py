"""The SMTP door: what it takes, what it hands on, what it answers."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosmtplib
import pytest
from structlog.testing import capture_logs
from tests.doors.smtp_peer import CMD, HEAD, MESSAGE, Peer, Served, has_ipv6, serving

from housecarl.doors.smtp import SmtpDoor
from housecarl.doors.smtp_intake import unstuffed
from housecarl.doors.smtp_settings import SmtpSettings
from housecarl.errors import FormError, SpoolFull, StorageError, Unreachable
from housecarl.message import Kind, read
from housecarl.testing.house import free_port

GOOGLE = ("*@txt.voice.google.com", "New text message*")


async def test_a_message_is_handed_on_as_it_came_with_a_stamp() -> None:
    async with serving() as served:
        peer = await served.peer()
        assert await peer.message() == "250 2.0.0 Safe"
        [(raw, stamp)] = served.kept
        assert raw == MESSAGE
        assert (stamp.door, stamp.peer, stamp.helo) == ("smtp", "127.0.0.1", "peer.example")
        assert (stamp.mail_from, stamp.rcpt_to) == ("ann@example.org", CMD)
        assert (stamp.tls, stamp.login) == ("", "")
        assert timedelta(0) <= datetime.now(UTC) - stamp.arrived < timedelta(seconds=5)


async def test_mail_of_the_null_sender_is_taken_and_nobody_obeys_it() -> None:
    async with serving() as served:
        peer = await served.peer()
        assert (await peer.message(sender="")).startswith("250 ")
        [(raw, stamp)] = served.kept
        assert (read(raw).kind, stamp.mail_from) == (Kind.BOUNCE, "")
        assert read(MESSAGE).kind is Kind.MAIL and raw.endswith(MESSAGE)


async def test_250_comes_only_when_the_message_is_safe() -> None:
    async with serving() as served:
        peer, safe = await served.peer_being_stored()
        answer = asyncio.create_task(peer.reply())
        await asyncio.wait([answer], timeout=0.05)
        assert not answer.done()
        safe.set()
        assert (await answer).startswith("250 ")


@pytest.mark.parametrize("resets", [False, True])
async def test_a_message_being_stored_is_stored_though_its_sender_has_gone(resets: bool) -> None:
    async with serving() as served:
        peer, safe = await served.peer_being_stored()
        if resets:
            sock = peer.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await peer.close()
        stopped = asyncio.create_task(served.door.stop())
        await asyncio.wait([stopped], timeout=0.05)
        assert not stopped.done()
        safe.set()
        await stopped
        assert len(served.kept) == 1


async def test_a_peer_that_resets_within_a_message_leaves_nothing() -> None:
    async with serving() as served:
        peer = await served.peer()
        await peer.begin()
        peer.send(MESSAGE)
        peer.writer.transport.abort()
        assert (await (await served.peer()).message()).startswith("250 ")
        assert len(served.kept) == 1


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (SpoolFull("/var/lib/x is full"), "452 4.3.1 No room, try again later"),
        (StorageError("/var/lib/x"), "451 4.3.0 Temporary failure, try again later"),
        (OSError(28, "No space", "/var/lib/x"), "451 4.3.0 Temporary failure, try again later"),
        (ValueError("our own fault"), "451 4.3.0 Temporary failure, try again later"),
        (FormError("mime-depth"), "550 5.6.0 Not in the form of a message"),
    ],
)
async def test_trouble_of_ours_is_put_off_and_nothing_is_told(error: Exception, reply: str) -> None:
    async with serving() as served:

        async def broken() -> None:
            raise error

        served.deliver = broken
        peer = await served.peer()
        with capture_logs():
            assert await peer.message() == reply
        served.deliver = None
        assert (await peer.message()).startswith("250 ")


async def test_a_command_that_breaks_the_door_is_put_off_and_the_session_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as served:
        peer = await served.peer()
        with monkeypatch.context() as patch, capture_logs() as logs:

            def broken(guest: object) -> bool:
                raise ValueError("our own fault")

            patch.setattr(served.door._desk.crowd, "may_send", broken)
            reply = await peer.say("MAIL FROM:<ann@example.org>")
        assert reply == "451 4.3.0 Temporary failure, try again later"
        [broke] = [entry for entry in logs if entry["event"] == "smtp-broke"]
        assert (broke["peer"], broke["command"]) == ("127.0.0.1", "MAIL")
        assert (await peer.message()).startswith("250 ")


async def test_a_closed_door_puts_off_every_message() -> None:
    async with serving() as served:
        peer = await served.peer()
        await peer.begin()
        served.door.closed = True
        peer.send(MESSAGE + b".\r\n")
        assert (await peer.reply()).startswith("451 ")
        assert (await peer.say("MAIL FROM:<ann@example.org>")).startswith("451 ")
        served.door.closed = False
        assert (await peer.message()).startswith("250 ")
        assert len(served.kept) == 1


@pytest.mark.parametrize(
    ("to", "code"),
    [
        (CMD, "250"),
        ("CMD@Home.Example", "250"),
        ("cmd@home.example.evil.example", "550"),
        ("cmd+x@home.example", "550"),
        ("ann@home.example", "550"),
        ('"cmd"@home.example', "550"),
        ("", "550"),
        ("cmd", "501"),
    ],
)
async def test_only_the_addresses_of_the_house_are_taken(to: str, code: str) -> None:
    async with serving() as served:
        peer = await served.peer()
        await peer.say("MAIL FROM:<ann@example.org>")
        assert (await peer.say(f"RCPT TO:<{to}>"))[:3] == code


async def test_one_message_may_go_to_several_of_them_and_names_each_once() -> None:
    async with serving(recipients=("a@x.example", "b@x.example")) as served:
        peer = await served.peer()
        await peer.say("MAIL FROM:<ann@example.org>")
        for to in ("A@x.example", "b@x.example", "a@X.example"):
            assert (await peer.say(f"RCPT TO:<{to}>")).startswith("250 ")
        await peer.say("DATA")
        peer.send(MESSAGE + b".\r\n")
        await peer.reply()
        assert served.kept[0][1].rcpt_to == "a@x.example,b@x.example"


def letter(sender: str, subject: str) -> bytes:
    return f"From: {sender}\r\nSubject: {subject}\r\n\r\n!uptime\r\n".encode()


@pytest.mark.parametrize(
    ("rules", "raw", "code"),
    [
        ([GOOGLE], letter('"(202)" <1.2.x@txt.voice.google.com>', "New text message from A"), 250),
        ([GOOGLE], letter("<1.2.x@TXT.voice.google.com>", "NEW TEXT MESSAGE from A"), 250),
        ([GOOGLE], letter("1@txt.voice.google.com", "New text\r\n message from A"), 250),
        ([GOOGLE], letter("1@txt.voice.google.com", "=?utf-8?q?New_text_message_Zo=C3=AB?="), 250),
        ([GOOGLE], letter("1@txt.voice.google.com", "Buy now"), 550),
        ([GOOGLE], letter("1@txt.voice.google.com.evil.example", "New text message"), 550),
        ([GOOGLE], letter('"@txt.voice.google.com" <x@evil.example>', "New text message"), 550),
        ([GOOGLE], letter("forwarding-noreply@google.com", "(#1) Forwarding"), 250),
        ([GOOGLE, ("ann@*", "*")], letter("Ann <ann@example.org>", "anything"), 250),
        ([GOOGLE, ("Ann <*", "*")], letter("Ann <ann@example.org>", "anything"), 250),
        ([], letter("anybody@example.org", "anything"), 250),
    ],
)
async def test_rules_on_from_and_subject(
    rules: list[tuple[str, str]], raw: bytes, code: int
) -> None:
    async with serving(rules=tuple(rules)) as served:
        peer = await served.peer()
        assert (await peer.message(raw)).startswith(f"{code} ")
        assert len(served.kept) == (code == 250)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no header\r\n",
        b"From: a@b.example\r\nFrom: c@d.example\r\n\r\nx\r\n",
        b"From: a@b.example\r\nSubject: \xff\r\n\r\nx\r\n",
    ],
)
async def test_what_is_no_message_is_refused_in_the_session(raw: bytes) -> None:
    async with serving() as served:
        peer = await served.peer()
        assert (await peer.message(raw)).startswith("550 5.6.0 ")
        assert (await peer.message()).startswith("250 ")
        assert len(served.kept) == 1


async def test_dots_are_unstuffed_and_only_those() -> None:
    async with serving() as served:
        peer = await served.peer()
        await peer.begin()
        peer.send(HEAD + b"..\r\n...a\r\n.b\r\nc.\r\n.\r\n")
        await peer.reply()
        assert served.kept[0][0] == HEAD + b".\r\n..a\r\nb\r\nc.\r\n"
    assert unstuffed(b"..x\r\n") == b".x\r\n"


async def test_a_body_that_comes_byte_by_byte_ends_at_its_dot() -> None:
    async with serving() as served:
        peer = await served.peer()
        await peer.begin()
        for byte in MESSAGE + b".\r\n":
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await peer.reply()).startswith("250 ")
        assert served.kept[0][0] == MESSAGE


async def test_a_whole_session_in_one_packet_is_answered_in_order() -> None:
    """PIPELINING (RFC 2920), also by a peer that stops sending at once."""
    async with serving() as served:
        peer = await served.peer()
        one = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<cmd@home.example>\r\nDATA\r\n" + MESSAGE
        peer.send((one + b".\r\n") * 2 + b"QUIT\r\n")
        peer.writer.write_eof()
        codes = [line[:3] for line in (await peer.ended()).split(b"\r\n")[:-1]]
        assert codes == [b"250", b"250", b"354", b"250"] * 2 + [b"221"]
        assert len(served.kept) == 2


async def test_commands_that_came_together_are_answered_in_one_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that an envelope costs one segment, and one record of TLS, not one each (RFC 2920 3.2)."""
    pieces: list[bytes] = []
    write = asyncio.StreamWriter.write

    def watched(writer: asyncio.StreamWriter, data: bytes) -> None:
        pieces.append(bytes(data))
        write(writer, data)

    async with serving() as served:
        peer = await served.peer()
        monkeypatch.setattr(asyncio.StreamWriter, "write", watched)
        peer.send(b"RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<cmd@home.example>\r\nDATA\r\n")
        while not (await peer.reply()).startswith("354 "):
            pass
        codes = [[line[:3] for line in piece.splitlines()] for piece in pieces[1:]]
        assert codes == [[b"250", b"250", b"250", b"354"]]
        peer.send(MESSAGE + b".\r\nNOOP\r\nVRFY x\r\n")
        for _ in range(3):
            await peer.reply()
        codes = [[line[:3] for line in piece.splitlines()] for piece in pieces[3:]]
        assert codes == [[b"250"], [b"250"], [b"502"]], "what it must not hold back"


async def test_a_reply_does_not_wait_for_half_a_command() -> None:
    async with serving() as served:
        peer = await served.peer()
        peer.send(b"RSET\r\nMAIL FR")
        assert (await peer.reply()).startswith("250 ")


async def test_ordinary_clients_hand_in_their_mail() -> None:
    async with serving() as served:
        host, port = served.door.address

        def by_smtplib() -> None:
            with smtplib.SMTP(host, port, timeout=5) as client:
                client.sendmail("ann@example.org", [CMD], MESSAGE)
                with pytest.raises(smtplib.SMTPRecipientsRefused):
                    client.sendmail("ann@example.org", ["x@example.org"], MESSAGE)
                client.sendmail("ann@example.org", [CMD], MESSAGE)

        await asyncio.to_thread(by_smtplib)
        async with aiosmtplib.SMTP(hostname=host, port=port) as client:
            await client.sendmail("ann@example.org", [CMD], MESSAGE)
        assert [raw for raw, _ in served.kept] == [MESSAGE] * 3


async def test_sockets_that_were_opened_before_are_used() -> None:
    """As systemd hands them over."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        served: Served
        settings = SmtpSettings(recipients=(CMD,), listen="127.0.0.1:1")
        door = SmtpDoor(settings, lambda raw, stamp: served.keep(raw, stamp))
        served = Served(door)
        await door.start(sockets=[opened])
        peer = await served.peer()
        assert (await peer.message()).startswith("250 ")
        await peer.close()
        await door.stop()


async def test_a_port_that_is_taken_is_named_and_nothing_stays_open() -> None:
    async with serving() as served:
        place = f"127.0.0.1:{served.door.address[1]}"
        with pytest.raises(Unreachable, match=rf"doors\.smtp\.listen: .*{place}"):
            async with serving(listen=place):
                pass


async def test_a_taken_port_for_tls_leaves_the_other_free(pair: tuple[Path, Path]) -> None:
    async with serving() as served:
        taken = f"127.0.0.1:{served.door.address[1]}"
        free = f"127.0.0.1:{free_port()}"
        with pytest.raises(Unreachable, match=rf"doors\.smtp\.listen_tls: .*{taken}"):
            async with serving(listen=free, listen_tls=taken, cert=pair[0], key=pair[1]):
                pass
        async with serving(listen=free) as second:
            assert (await (await second.peer()).message()).startswith("250 ")


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
async def test_ipv6_is_listened_on_by_itself() -> None:
    """So that the same port of IPv4 is free for another, or for another line of the settings."""
    port = free_port()  # of IPv4
    async with serving(listen=f"[::]:{port}") as served:
        peer = Peer(*await asyncio.open_connection("::1", port))
        served.peers.append(peer)
        await peer.reply()
        await peer.say("EHLO peer.example")
        assert (await peer.message()).startswith("250 ")
        assert served.kept[0][1].peer == "::1"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_stopping_says_goodbye_to_whoever_is_idle() -> None:
    async with serving() as served:
        peer = await served.peer()
        address = served.door.address
        await served.door.stop()
        assert (await peer.ended()).startswith(b"421 ")
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(*address)


async def test_stopping_waits_a_while_for_a_disk_that_hangs_and_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The sender has no 250 and will try again; whoever stops us hears why it took so long."""
    monkeypatch.setattr("housecarl.doors.smtp.STOP_SECONDS", 0.01)
    async with serving() as served:
        peer, safe = await served.peer_being_stored()
        with capture_logs() as logs:
            await served.door.stop()
        assert {"event": "smtp-stopped-late", "sessions": 1, "log_level": "warning"} in logs
        assert b"250" not in await peer.ended()
        safe.set()


async def test_nagle_does_not_hold_back_a_reply() -> None:
    async with serving() as served:
        await served.peer()
        [guest] = served.door._desk.crowd.guests.values()
        sock = guest.transport.get_extra_info("socket")  # type: ignore[attr-defined]
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
