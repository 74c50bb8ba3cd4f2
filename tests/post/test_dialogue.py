"""The SMTP dialogue: what goes over the wire."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator

import pytest
from aiosmtplib import SMTP
from hypothesis import given
from hypothesis import strategies as st
from tests.post.smarthost import USUAL, Smarthost

from housecarl.config_post import Post as Settings
from housecarl.errors import PostLater, PostRefused
from housecarl.post.answer import MAX_ERROR, ServiceFault, brief
from housecarl.post.dialogue import Dialogue, Dropped, _framed
from housecarl.post.smarthost import _dialogue, connect

MAIL = b"Subject: x\r\n\r\nlamp on.\r\n"


@pytest.fixture
async def host() -> AsyncIterator[Smarthost]:
    host = Smarthost()
    await host.start()
    yield host
    await host.stop()


async def opened(host: Smarthost) -> Dialogue:
    """A connection to it that is ready for mail."""
    values = {"host": "127.0.0.1", "port": host.port, "tls": "none", "from": "house@example.org"}
    return await connect(Settings.model_validate(values), 5.0)


async def test_a_mail_on_a_connection_that_has_ended_was_heard_by_nobody(host: Smarthost) -> None:
    """So it may be tried on another one at once, and is no second copy."""
    dialogue = await opened(host)
    host.hang_up()
    sock = dialogue.transport.get_extra_info("socket")
    async with asyncio.timeout(5):
        while sock.fileno() >= 0:  # noqa: ASYNC110 - it tells whoever waits for an answer only
            await asyncio.sleep(0)
    with pytest.raises(Dropped) as dropped:
        await dialogue.hand_in("house@example.org", "ann@example.org", MAIL)
    assert dropped.value.unheard
    assert host.taken == []


async def test_a_connection_that_ends_while_it_is_opened_is_no_connection(host: Smarthost) -> None:
    client = SMTP(hostname="127.0.0.1", port=host.port, start_tls=False, timeout=5)
    await client.connect()
    client.close()
    with pytest.raises(ServiceFault, match="it closed the connection"):
        _dialogue(client)


async def test_what_was_said_to_a_mail_counts_though_the_connection_ends_after_it(
    host: Smarthost,
) -> None:
    host.script = lambda step, to: {"rcpt": "450 4.2.1 grey", "rset": "drop"}.get(step)
    dialogue = await opened(host)
    with pytest.raises(PostLater, match="the recipient: 450") as later:
        await dialogue.hand_in("house@example.org", "ann@example.org", MAIL)
    assert type(later.value) is PostLater
    assert not dialogue.usable


async def test_what_was_said_to_a_mail_counts_though_nothing_is_said_after_it(
    host: Smarthost,
) -> None:
    host.script = lambda step, to: {"rcpt": "550 5.1.1 nobody", "rset": "hang"}.get(step)
    dialogue = await opened(host)
    with pytest.raises(PostRefused, match="the recipient: 550"):
        await dialogue.hand_in("house@example.org", "ann@example.org", MAIL, 0.1)
    assert not dialogue.usable


async def test_an_answer_in_the_moment_in_which_time_is_up_is_not_the_last_that_has_an_end(
    host: Smarthost,
) -> None:
    """The loop was busy and finds both at once: the next answer was waited for without end."""
    host.pipelining = False
    host.script = lambda step, to: busy() if step == "mail" else "hang" if step == "rcpt" else None
    dialogue = await opened(host)
    with pytest.raises(Dropped, match=re.escape("no answer within 0.05 s")):
        async with asyncio.timeout(5):
            await dialogue.hand_in("house@example.org", "ann@example.org", MAIL, 0.05)
    assert not dialogue.usable


def busy() -> None:
    """Hold up the loop, the smarthost's and ours, beyond that time."""
    time.sleep(0.1)


async def test_answers_may_be_codes_without_a_word(host: Smarthost) -> None:
    """RFC 5321 4.2: a mail that was taken by such a one would be sent again and again.

    So it is with one to somebody whom it does not know, or who is elsewhere (3.4, 3.5.3).
    """
    codes = {step: words[:3] for step, words in USUAL.items()}
    host.script = lambda step, to: codes.get(step)
    dialogue = await opened(host)
    for known in ("250", "251", "252"):
        codes["rcpt"] = known
        assert await dialogue.hand_in("house@x.org", "ann@example.org", MAIL) == (250, "")
    assert len(host.taken) == 3


@pytest.mark.parametrize("pipelining", [True, False])
async def test_who_refuses_and_hangs_up_has_refused(host: Smarthost, pipelining: bool) -> None:
    """It is no fault of the smarthost, which would keep everybody's replies waiting."""
    host.pipelining = pipelining
    host.script = lambda step, to: "last 550 5.1.1 nobody" if step == "rcpt" else None
    dialogue = await opened(host)
    with pytest.raises(PostRefused, match="the recipient: 550"):
        await dialogue.hand_in("house@example.org", "ann@example.org", MAIL)
    assert not dialogue.usable


@pytest.mark.parametrize("end", ["drop", "hang"])
async def test_what_was_said_counts_though_the_mail_that_was_asked_for_all_the_same_ends_it(
    host: Smarthost, end: str
) -> None:
    """RFC 2920 3.1: DATA may be answered with 354 though nobody will get it; an empty one goes."""
    host.script = lambda step, to: {"rcpt": "550 5.1.1 nobody", "end": end}.get(step)
    dialogue = await opened(host)
    with pytest.raises(PostRefused, match="the recipient: 550"):
        await dialogue.hand_in("house@example.org", "ann@example.org", MAIL, 0.1)
    assert not dialogue.usable
    assert host.taken == []


async def test_where_a_mail_cannot_be_taken_back_there_is_no_other_on_that_connection(
    host: Smarthost,
) -> None:
    """The next one would be a second MAIL within the same."""
    host.script = lambda step, to: {"rcpt": "550 5.1.1 nobody", "rset": "502 what?"}.get(step)
    dialogue = await opened(host)
    with pytest.raises(PostRefused, match="the recipient: 550"):
        await dialogue.hand_in("house@example.org", "ann@example.org", MAIL)
    assert not dialogue.usable


async def test_a_goodbye_that_nobody_answers_ends_the_connection_all_the_same(
    host: Smarthost,
) -> None:
    host.script = lambda step, to: "drop" if step == "quit" else None
    dialogue = await opened(host)
    await dialogue.quit()
    await host.until(lambda: host.open == 0)
    assert not dialogue.usable


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a"]), max_size=12))
def test_no_mail_can_end_itself_early(pieces: list[bytes]) -> None:
    mail = b"".join(pieces)
    framed = _framed(mail)
    assert framed.endswith(b"\r\n.\r\n")
    assert (b"\r\n" + framed).index(b"\r\n.\r\n") + len(b".\r\n") == len(framed)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", framed)
    assert b"".join(framed.split()).count(b"a") == mail.count(b"a")


def test_an_error_is_one_bounded_line_without_a_phone_number() -> None:
    text = brief("550 5.1.1 <13035550123.1@x>\r\n\x1b[2J no " + "x" * 999)
    assert text.startswith("550 5.1.1 <...0123.1@x> [2J no x")
    assert len(text) <= MAX_ERROR
