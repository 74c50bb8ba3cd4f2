"""What the SMTP door answers to each command, right or wrong."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from tests.doors.smtp_peer import serving


async def test_what_is_offered_and_that_the_banner_names_no_version() -> None:
    async with serving(max_size=1000) as served:
        peer = await served.peer(greet=False)
        assert await peer.reply() == "220 home.example ESMTP"
        offered = (await peer.say("EHLO x")).split("\r\n")
        assert [line[4:] for line in offered] == [
            "home.example",
            "SIZE 1000",
            "8BITMIME",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
        ]
        assert await peer.say("HELO x") == "250 home.example"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("VRFY ann", "502"),
        ("EXPN all", "502"),
        ("HELP", "502"),
        ("HELP MAIL", "502"),
        ("STARTTLS", "502"),
        ("AUTH PLAIN AGEAYg==", "538"),
        ("BDAT 10", "500"),
        ("", "500"),
        ("\xe9", "500"),
        ("NOOP a\0b", "500"),
        ("EHLO", "501"),
        ("EHLO " + "x" * 256, "501"),
        ("RCPT TO:<cmd@home.example>", "503"),
        ("DATA", "503"),
        ("DATA now", "501"),
        ("MAIL FROM:<a@b> SIZE=\xb2", "500"),
        ("MAIL FROM:<a\0b@c>", "500"),
        ("MAIL FROM:<\xff\xfe@c>", "500"),
        ("MAIL FROM:<a@b> SIZE=9999999", "552"),
        ("MAIL FROM:<a@b> SIZE=" + "9" * 30, "501"),
        ("MAIL FROM:<a@b> SIZE", "501"),
        ("MAIL FROM:<a@b> SIZE=262144", "250"),
        ("MAIL FROM:<a@b> SMTPUTF8", "555"),
        ("MAIL FROM:<a@b> RET=FULL", "555"),
        ("MAIL FROM:<a@b> BODY=BINARYMIME", "501"),
        ("MAIL FROM:<a@b> BODY=8BITMIME SIZE=100", "250"),
        ("MAIL FROM:<a@b> SIZE=1 SIZE=2", "501"),
        ("MAIL FROM:<a@b> AUTH=<>", "250"),
        ("mail from:<>", "250"),
        ("MAIL FROM: <a@b>", "250"),
        ("MAIL FROM:a@b", "501"),
        ("MAIL FROM:<a@b", "501"),
        ("MAIL FROM:<@x:a@b>", "501"),
        ("MAIL FROM:<a b@c>", "501"),
        ('MAIL FROM:<"a b\\"c"@d.example>', "250"),
        ("MAIL FROM:<a@[127.0.0.1]>", "250"),
        ("MAIL FROM:<" + "a" * 300 + "@b>", "501"),
        ("MAIL TO:<a@b>", "501"),
        ("MAIL", "501"),
        ("NOOP", "250"),
        ("RSET", "250"),
        ("QUIT", "221"),
    ],
)
async def test_every_command_gets_its_code(command: str, code: str) -> None:
    async with serving() as served:
        peer = await served.peer()
        with capture_logs():
            assert (await peer.say(command))[:3] == code


async def test_commands_out_of_order_are_refused() -> None:
    async with serving() as served:
        peer = await served.peer(greet=False)
        await peer.reply()
        assert (await peer.say("MAIL FROM:<a@b>")).startswith("503 ")
        await peer.say("EHLO x")
        await peer.say("MAIL FROM:<a@b>")
        assert (await peer.say("MAIL FROM:<a@b>")).startswith("503 ")
        assert (await peer.say("DATA")).startswith("503 ")
        assert (await peer.say("RCPT TO:<cmd@home.example> NOTIFY=NEVER")).startswith("555 ")
        await peer.say("RCPT TO:<cmd@home.example>")
        await peer.say("RSET")
        assert (await peer.say("DATA")).startswith("503 ")
