"""The SMTP door under hostile peers: memory, time and numbers are bounded, honest peers served."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.doors.smtp_peer import HEAD, MESSAGE, Peer, Served, serving

from housecarl.doors.smtp_connection import CHUNK
from housecarl.doors.smtp_intake import HIGH_WATER, Intake
from housecarl.doors.smtp_session import SmtpSession

#: Bytes by which the process may grow while a peer sends without end.
GROWTH = 5 * 1024 * 1024


def resident() -> int:
    """Bytes of memory this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def flood(served: Served, block: bytes, count: int) -> tuple[int, int]:
    """Send a block over and over in DATA; (bytes taken until the door cut, most memory grown)."""
    peer = await served.peer()
    await peer.begin()
    before, most, sent = resident(), 0, 0
    try:
        for _ in range(count):
            peer.send(block)
            await peer.writer.drain()
            sent += len(block)
            most = max(most, resident() - before)
    except ConnectionError:
        pass
    return sent, most


@pytest.mark.parametrize(
    ("block", "count"),
    [(b"a" * 65536, 1024), (b"\r\n" * 32768, 496), (b".\r\n" * 21845, 496), (b"\n" * 65536, 496)],
)
async def test_a_body_without_end_is_cut_in_bounded_memory(block: bytes, count: int) -> None:
    """64 MiB without CR LF, 31 MiB of empty lines: stock aiosmtpd keeps up to 2.6 GiB of these."""
    async with serving() as served:
        sent, grown = await flood(served, block, count)
        # a block is in our own socket's buffer on either side, and those hold megabytes
        assert sent < 16 * 1024 * 1024
        assert grown < GROWTH
        assert (await (await served.peer()).message()).startswith("250 ")


async def test_what_does_not_fit_is_not_kept_while_it_comes() -> None:
    intake = Intake(asyncio.get_running_loop())
    taken = asyncio.create_task(intake.body(limit=1000))
    for _ in range(100):
        intake.feed(memoryview(b"x" * 1000))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(intake._held) <= 2000
    intake.feed(memoryview(b"\r\n.\r\nNOOP\r\n"))
    assert await taken is None
    assert await intake.line() == "NOOP"


@pytest.mark.parametrize(("more", "code"), [(0, "250"), (1, "552")])
async def test_max_size_counts_the_bytes_of_the_message(more: int, code: str) -> None:
    async with serving(max_size=1000) as served:
        peer = await served.peer()
        body = b"..x\r\n" * 100
        fill = HEAD + body + b"y" * (1000 - len(HEAD) - len(body) - 2 + more) + b"\r\n"
        await peer.begin()
        peer.send(fill + b".\r\n")
        assert (await peer.reply())[:3] == code
        assert (await peer.message()).startswith("250 ")


async def test_a_message_a_little_too_big_reads_why_and_the_session_goes_on() -> None:
    async with serving() as served:
        peer = await served.peer()
        assert (await peer.message(HEAD + b"x\r\n" * 100_000)).startswith("552 5.3.4 ")
        assert (await peer.message()).startswith("250 ")
        assert len(served.kept) == 1


SMUGGLED = {
    "lf-lf": b"\n.\n",
    "cr-cr": b"\r.\r",
    "cr-crlf": b"\r.\r\n",
    "lf-cr": b"\n.\r",
    "lf-crlf": b"\n.\r\n",
    "crlf-lf": b"\r\n.\n",
    "crlf-cr": b"\r\n.\r",
    "nul-before": b"\r\n\0.\r\n",
    "nul-after": b"\r\n.\0\r\n",
    "crlf-crcrlf": b"\r\n.\r\r\n",
    "crcrlf-crcrlf": b"\r\r\n.\r\r\n",
    "lfcrlf-lf": b"\n\r\n.\n",
    "crcrlf-crlf": b"\r\r\n.\r\n",
}


@pytest.mark.parametrize("end", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_no_message_is_smuggled_in_behind_another(end: bytes) -> None:
    """Only CR LF dot CR LF ends a message; one that could end elsewhere ends the session too."""
    async with serving() as served:
        peer = await served.peer()
        await peer.begin()
        inner = b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<cmd@home.example>\r\nDATA\r\n"
        peer.send(MESSAGE + b"x" + end + inner + MESSAGE + b".\r\nNOOP\r\n")
        assert (await peer.ended()).startswith(b"550 5.6.0 ")
        assert served.kept == []


@pytest.mark.parametrize(
    "line", [b"NOOP\nNOOP\n", b"NOOP\n", b"x" * 5000, b"x" * 5000 + b"\r\n", b"\r\r\n\n"]
)
async def test_what_is_no_line_ends_the_session(line: bytes) -> None:
    async with serving() as served:
        peer = await served.peer()
        peer.send(line)
        assert (await peer.ended())[:4] == b"500 "


@pytest.mark.parametrize(
    "command", ["NOOP", "RSET", "VRFY x", "EHLO x", "RCPT TO:<nobody@x.example>", "XYZZY", "\xe9"]
)
async def test_a_command_without_end_is_ended(command: str) -> None:
    async with serving() as served:
        peer = await served.peer()
        await peer.say("MAIL FROM:<a@b.example>")
        with capture_logs():
            for _ in range(50):
                peer.send(command.encode("latin-1") + b"\r\n")
            assert b"421 4.7.0 " in await peer.ended()


async def test_a_kept_connection_may_bring_messages_without_end() -> None:
    """Each is counted anew, commands and bytes: all together are more than one may take."""
    async with serving(max_size=2000) as served:
        peer = await served.peer()
        for _ in range(100):
            assert (await peer.message(MESSAGE + b"x\r\n" * 500)).startswith("250 ")
        assert len(served.kept) == 100


async def test_recipients_of_one_message_are_bounded() -> None:
    house = tuple(f"c{i}@home.example" for i in range(6))
    async with serving(recipients=house) as served:
        peer = await served.peer()
        await peer.say("MAIL FROM:<a@b.example>")
        codes = [(await peer.say(f"RCPT TO:<{each}>"))[:3] for each in house]
        assert codes == ["250"] * 5 + ["452"]


async def silent(peer: Peer) -> None:
    """Say nothing."""


async def dripping(peer: Peer) -> None:
    """Half a line and no more."""
    peer.send(b"NOO")


async def stuck_in_data(peer: Peer) -> None:
    """Half a message and no more."""
    await peer.begin()
    peer.send(b"x\r\n")


@pytest.mark.long(after=1)
@pytest.mark.parametrize("manner", [silent, dripping, stuck_in_data])
async def test_a_slow_peer_is_cut(manner: object) -> None:
    async with serving(command=0.15) as served:
        peer = await served.peer()
        await manner(peer)  # type: ignore[operator]
        began = time.monotonic()
        assert await peer.ended() == b"421 4.4.2 Too slow, goodbye\r\n"
        assert time.monotonic() - began < 10


async def test_a_busy_peer_is_cut_when_its_session_is_over() -> None:
    async with serving(session=0.1) as served:
        peer = await served.peer()
        began = time.monotonic()
        try:
            while True:
                await peer.message()
        except (AssertionError, ConnectionError):
            pass  # it was cut between two replies
        assert time.monotonic() - began < 10
        assert served.kept


async def test_a_peer_is_not_cut_because_we_are_slow() -> None:
    async with serving(command=0.2, session=0.2) as served:
        peer = await served.peer()
        served.deliver = lambda: asyncio.sleep(0.3)
        assert (await peer.message()).startswith("250 ")


async def test_the_timer_of_an_earlier_command_cuts_nobody_who_has_spoken_since() -> None:
    """One timer a session, not one a command: when it rings it looks how long the silence was."""
    async with serving() as served:
        peer = await served.peer()
        [guest] = served.door._desk.crowd.guests.values()
        assert isinstance(guest, SmtpSession)
        old = guest._timeout_handle
        guest._timeout_cb()
        assert (await peer.say("NOOP")) == "250 2.0.0 OK"
        assert guest._timeout_handle is not old, "it will look again"
        assert old is not None
        old.cancel()


async def test_who_sends_while_its_message_is_being_stored_has_to_wait() -> None:
    """Some 64 KiB of it are held; the rest is read once there is an answer."""
    async with serving() as served:
        peer, safe = await served.peer_being_stored()
        envelope = b"MAIL FROM:<ann@example.org>\r\nRCPT TO:<cmd@home.example>\r\nDATA\r\n"
        peer.send(envelope + HEAD + b"x\r\n" * 70_000 + b".\r\n")
        [guest] = served.door._desk.crowd.guests.values()
        assert isinstance(guest, SmtpSession) and isinstance(guest.transport, asyncio.Transport)
        async with asyncio.timeout(5):
            while guest.transport.is_reading():  # noqa: ASYNC110 - the door tells nobody
                await asyncio.sleep(0)
        assert len(guest.intake._held) <= HIGH_WATER + CHUNK
        safe.set()
        codes = [(await peer.reply())[:3] for _ in range(5)]
        assert codes == ["250", "250", "250", "354", "250"]
        assert len(served.kept) == 2


async def gone(served: Served) -> None:
    """Return once the door has no session left."""
    while served.door._desk.crowd.guests:  # noqa: ASYNC110 - the door tells nobody
        await asyncio.sleep(0.005)


async def test_a_peer_that_never_reads_is_cut() -> None:
    """`close` would wait for it for ever: its replies fill the buffers on both sides."""
    async with serving(session=0.2) as served:
        peer = await served.peer()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        [guest] = served.door._desk.crowd.guests.values()
        guest.transport.write(b"x" * 16_000_000)  # type: ignore[attr-defined]
        peer.send(b"NOOP\r\nQUIT\r\n")
        async with asyncio.timeout(2):
            await gone(served)
