"""No input costs more than a moment: known bombs by name, others by chance."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import cost

from housecarl.errors import FormError
from housecarl.message import Message, read

from .letters import ADDRESS, letter, mixture, voice

#: seconds of CPU for one message on two shared cores; alone the worst of these needs 0.08 s
LIMIT = 0.25
SIZE = 250_000


def decide(raw: bytes) -> None:
    """Anything but a Message or a FormError, or taking long, fails the test."""
    with cost.at_most(LIMIT):
        try:
            assert isinstance(read(raw), Message)
        except FormError as error:
            assert error.reason


def lines(unit: str, size: int = SIZE, width: int = 900) -> bytes:
    text = unit * (size // len(unit))
    return "\n".join(text[at : at + width] for at in range(0, size, width)).encode()


def folded(unit: str, size: int) -> str:
    return lines(unit, size).decode().replace("\n", "\r\n ")


def bombs() -> Iterator[tuple[str, bytes]]:
    """The shapes that stall other readers, each near the size limit."""
    for unit in (
        "<",
        "<a =",
        "<a b=\"'",
        "<!--",
        "<p>",
        "<td>a",
        "<a class='class=\"'>",
        '</a =">"',
        "&",
        "&#9",
    ):
        yield f"html {unit}", letter(lines(unit), "Content-Type: text/html")
    page = base64.encodebytes(b"<a/" * 60_000)
    kind = "Content-Type: text/html"
    yield "html script without an end", letter(b"<script>\n" + lines("</script "), kind)
    yield "html encoded", letter(page, kind, "Content-Transfer-Encoding: base64")
    for unit in ("(", '"', "=?", "=?a?q?", "a@b,", "\\"):
        yield f"from {unit}", letter("x", sender=folded(unit, 60_000))
        yield f"type {unit}", letter("x", "Content-Type: text/plain; " + folded(unit, 4000))
        yield f"references {unit}", letter("x", "References: " + folded(unit, 8000))
    yield "short folds", letter("x", "X: " + "a\r\n " * 16_000)
    yield "dashes", mixture("mixed", "\n" + "--\n" * 60_000)
    yield "boundaries", mixture("mixed", *["\n"] * 30_000)
    layers = [
        f"--b{n}\nContent-Type: multipart/alternative; boundary=b{n + 1}\n\n" for n in range(17)
    ]
    deep = "".join(layers).encode() + b"--b17\nContent-Type: text/html\n\n" + lines("<p>a", 200_000)
    yield "deep html", letter(deep, "Content-Type: multipart/alternative; boundary=b0")
    for charset in ("utf-16", "utf-7", "punycode", "iso-2022-kr", "hz"):
        yield charset, letter(lines("~{é\x1b$B"), f"Content-Type: text/plain; charset={charset}")
    yield "flowed", letter("> a \n" * 40_000, "Content-Type: text/plain; format=flowed")
    yield "old marks", letter("--\n" * 60_000, sender=ADDRESS)
    yield "new frame", letter("<https://voice.google.com>\n" + "a\n" * 80_000, sender=ADDRESS)
    yield "voice", voice("a b " * 4000, cell="</td><td>".join(["a b " * 500] * 8))
    links = lines("https://mail.google.com/mail/vf-", 100_000) + b"\n" + lines("a:123456", 100_000)
    yield "links", letter(links, sender="forwarding-noreply@google.com")


BOMBS = dict(bombs())


@pytest.mark.long(after=6)
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_decided_at_once(name: str) -> None:
    decide(BOMBS[name])


TOKENS = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b"\r\n\r\n",
            b" ",
            b"\t",
            b"\x00",
            b"\xff",
            b":",
            b"--b",
            b"--b--",
        ),
        *(
            b"From: ",
            b"ann@example.org",
            b"<" + ADDRESS.encode() + b">",
            b"<",
            b">",
            b'"',
            b"(",
            b"=",
        ),
        *(b"Content-Type: ", b"multipart/alternative; boundary=b", b"text/html", b"text/plain"),
        *(b"; charset=utf-16", b"; format=flowed; delsp=yes", b"=?utf-8?q?a=0d?=", b"=?x?b?YQ?="),
        *(b"Content-Transfer-Encoding: base64", b"quoted-printable", b"!plug lamp on", b"=\r\n"),
        *(b"Subject: New text message from (202) 555-0199", b"<https://voice.google.com>", b"<td>"),
        *(b"<blockquote>", b"<!--", b"&#x", b"References: <a@b>", b"Message-ID: <a@b>"),
        b"From: forwarding-noreply@google.com\r\n",
    ]
)
SEEDS = st.sampled_from([letter(), voice(), mixture("alternative", "\na", "\nb")])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A sound message with tokens of every format spilled into it."""
    raw = draw(SEEDS)
    for token in draw(st.lists(TOKENS | st.binary(max_size=8), max_size=12)):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + token + raw[at + draw(st.integers(0, 20)) :]
    return raw


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(messages())
def test_any_bytes_are_a_message_or_refused(raw: bytes) -> None:
    decide(raw)
