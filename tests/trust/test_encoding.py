"""Content-Type and Content-Transfer-Encoding that nobody signed: whoever carries a mail may write
them, and the first lines must not become other commands by it.
"""

from __future__ import annotations

import base64
import itertools
from pathlib import Path

import pytest

from housecarl.errors import FormError
from housecarl.message import markup, read
from housecarl.trust.leading import leading

from .conftest import T, World, judged, mail, signature, signed

#: What Gmail signs of the mail of its users.
GMAIL = "to:from:subject:message-id:date:mime-version"
QUOTED = "Content-Transfer-Encoding: quoted-printable\r\n"
REFUSED = "uncovered-content-transfer-encoding"
LONG = b"!say " + b"word " * 14
SAMPLES = Path(__file__).parent.parent / "samples"


async def said(world: World, raw: bytes) -> str:
    return (await judged(world, raw)).checks["dkim"].partition(" (")[0]


async def check(world: World, body: bytes, encoding: str, h: str = GMAIL) -> str:
    extra = f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    return await said(world, signed(mail(body=body, extra=extra), h=h))


@pytest.mark.parametrize("encoding", ["", "7bit", "8BIT", "binary", "quoted-printable"])
@pytest.mark.parametrize(
    "body",
    [
        b"!plug lamp on\r\n",
        b"\r\n  \r\n!plug lamp on\r\n\r\n!ping\r\n",
        b"!plug lamp on\r\n-- \r\nhttps://x.example/?id=41\r\n",
        b"!note a=b, 1 + 1 = 2\r\n",
    ],
)
async def test_a_body_that_reads_the_same_in_any_encoding_is_obeyed(
    world: World, body: bytes, encoding: str
) -> None:
    assert await check(world, body, encoding) == "pass example.org"


@pytest.mark.parametrize("encoding", ["", "7bit", "quoted-printable"])
@pytest.mark.parametrize(
    "body",
    [
        b"!lamp level=50\r\n",
        b"!lamp level=5a\r\n",
        b"!lamp level=41=\r\n0\r\n",
        b"!plug lamp on\r\n \r\n!lamp level=50\r\n",
        b"!note 1+1=\r\noff\r\n",
        b"!note 1+1= \r\noff\r\n",
        b"!plug heater=\t \r\n off\r\n",
        b"=2Fplug lamp off\r\n",
        b"!" + b"a" * 58 + b"=\r\nb\r\n",
        b"!plug lamp on=20\r\n=3E\r\n",
        b"!plug lamp on=20\r\n=0B\r\n",
        b"!plug lamp on=20\r\na=09b\r\n",
        b"!plug lamp on=20\r\nnot =46rom here\r\n",
    ],
)
async def test_what_may_have_been_typed_or_encoded_is_refused(
    world: World, body: bytes, encoding: str
) -> None:
    """Read in the other way it would be another command, or one at all."""
    assert await check(world, body, encoding) == REFUSED


@pytest.mark.parametrize("body", [b"!lamp level=50\r\n", b"!note 1+1=\r\noff\r\n"])
@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", ""])
async def test_whoever_signs_the_field_may_write_what_they_like(
    world: World, body: bytes, encoding: str
) -> None:
    """Also that there is none."""
    h = f"{GMAIL}:content-transfer-encoding"
    assert await check(world, body, encoding, h) == "pass example.org"
    raw = signed(mail(body=body, extra=""), h=h)
    assert await said(world, raw.replace(b"\r\n\r\n!", f"\r\n{QUOTED}\r\n!".encode())) != (
        "pass example.org"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"!note caf=C3=A9\r\n",
        b"!note a=3Db\r\n",
        b"!plug lamp on=20\r\n",
        b"!plug lamp on=09\r\nbye\r\n",
        LONG + b"=\r\nmore\r\n",
        LONG + b"=20=\r\nmore\r\n",
        b"!note caf=E9\r\n=2E\r\n=46rom here\r\n",
        b"!plug lamp on=20\r\n=0D=0A\r\n=C2=A0\r\n",
        b"!plug lamp on=20\r\n=80=99=A8=B7=CA=DB=EC=FD=8E=9F=A6=B5=C4=D3=E2=F1 \r\n=20",
        b"=21plug lamp on\r\n",
        b"!" + b"a" * 59 + b"=\r\nb\r\n",
    ],
    ids=range(11),
)
async def test_quoted_printable_as_mail_programs_write_it_is_obeyed(
    world: World, body: bytes
) -> None:
    """Most mail hosts do not sign the field."""
    assert await check(world, body, "quoted-printable") == "pass example.org"
    assert await check(world, body, "7bit") == REFUSED


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (base64.encodebytes("!plug lamp on caf\xe9".encode() * 5), "pass example.org"),
        (base64.b64encode(b"!plug lamp on"), "pass example.org"),
        (b"\nIXBsdWcgbGFt \ncCBvbg== \n \n", "pass example.org"),
        (b"IXBsdWcgbGFtcCBvbg= =\n", REFUSED),
        (b"IXBs dWcgbGFtcCBvbmUx", REFUSED),
        (b"", "pass example.org"),
        (b" \n\n", "pass example.org"),
        (b"/ping", REFUSED),
        (b"+off", REFUSED),
        (b"!plug lamp on", REFUSED),
        (b"IXBsdWcgbGFtcCBvbg===", REFUSED),
        (b"IXBsdWcgbGFtcCBvbg==\n\nsent by x", REFUSED),
    ],
    ids=range(12),
)
async def test_base64_holds_nothing_else(world: World, body: bytes, word: str) -> None:
    """It begins with a letter or a digit, which no symbol is: as it stands it holds no command."""
    assert await check(world, body.replace(b"\n", b"\r\n"), "base64") == word


@pytest.mark.parametrize("encoding", ["", "7bit", "quoted-printable"])
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (base64.encodebytes(b"!plug lamp o"), REFUSED),
        (base64.encodebytes(b" \r\n /plug lamp off" + b" please" * 20), REFUSED),
        (base64.encodebytes(b"Hello there!"), "pass example.org"),
        (base64.encodebytes(b"\n" * 6), "pass example.org"),
        (b"IXBsdWcgbGFtcCBvb", "pass example.org"),
        (b"Sent from my iPhone", "pass example.org"),
        (b"Okay", "pass example.org"),
        (b"Lisa", "pass example.org"),
    ],
    ids=range(8),
)
async def test_base64_of_a_command_is_not_believed_to_be_plain(
    world: World, body: bytes, word: str, encoding: str
) -> None:
    """The body would hold no command then, and one in its subject would be done instead."""
    assert await check(world, body.replace(b"\n", b"\r\n"), encoding) == word


@pytest.mark.parametrize(
    ("text", "charset", "changed"),
    [
        ("!say köln", "utf-8", "iso-2022-jp"),
        ("!say|€", "utf-8", "gbk"),
        ("\ufeff!plug lamp", "utf-8", "big5"),
        ("<!DOCTYPE html><p>!say ä", "utf-8", "hz"),
        ("! say köln", "iso-8859-1", "utf-8"),
    ],
    ids=range(5),
)
async def test_nor_in_a_charset_in_which_some_of_it_cannot_be_read(
    world: World, text: str, charset: str, changed: str
) -> None:
    """Hardly anybody signs the charset either."""
    typed = text.encode(charset, "replace")
    body = base64.encodebytes(typed + b" " * (-len(typed) % 3)).replace(b"\n", b"\r\n")
    raw = signed(mail(body=body, kind=f"text/plain; charset={changed}"), h=GMAIL)
    assert await said(world, raw) == REFUSED


async def test_an_encoding_that_nobody_can_read_is_not_believed(world: World) -> None:
    """The body would hold no command then, and one in its subject would be done instead."""
    assert await check(world, b"!plug lamp on\r\n", "x-uuencode") == REFUSED


FORKED = (
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>!ping</p>\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\n!ping\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("body", "kind", "readings"),
    [
        (b"<p>!lamp level=50</p>\r\n", "text/html", 2),
        (b'<p class="MsoNormal">!plug lamp on</p>\r\n', "text/html", 0),
        (FORKED, "multipart/mixed; boundary=b", 1),
    ],
)
async def test_a_page_is_read_anew_only_in_doubt_and_once_for_all_signatures(
    world: World, body: bytes, kind: str, readings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may put five worthless ones on 240 KiB of HTML, and the whole house would wait."""
    raw = mail(body=body, kind=kind)
    fields = (signature(raw, "example.org", h=GMAIL, t=str(T - n)) for n in range(5))
    forged = b"".join(fields) + raw.replace(b"Subject: hello", b"Subject: hallo")
    message = read(forged)
    read_anew = []

    def counted(page: str) -> str:
        read_anew.append(page)
        return markup.text(page)

    monkeypatch.setattr("housecarl.message.mail.html_text", counted)
    found = await judged(world, forged, message=message)
    assert found.reason == "no-proof" and len(found.checks["dkim"].split()) == 5
    assert len(read_anew) == readings


TYPES = (
    "text/plain; charset=utf-8",
    "text/plain; format=flowed; delsp=yes",
    "text/plain; charset=utf-16",
    "text/html; charset=utf-8",
    "multipart/mixed; boundary={}",
    "multipart/alternative; boundary=below",
    "multipart/mixed; boundary=Apple",
    "text/x-none; charset=utf-7",
    "message/rfc822",
    "",
)
ENCODINGS = ("7bit", "quoted-printable", "base64", "x-uuencode", "")


@pytest.mark.parametrize(
    "name", ["09_iphone_html_only_reply", "11_outlook_reply_quoted_command", "typed", "below"]
)
async def test_no_carrier_makes_another_command_of_a_real_mail(world: World, name: str) -> None:
    """Signed as Gmail signs it, then with every other Content-Type and encoding on top of it."""
    bodies = {
        "typed": b"!plug lamp on \r\n!lamp level=50\r\n",
        "below": b"!ping\r\n--below\r\n\r\n!plug lamp off\r\n--below--\r\n",
    }
    body = bodies.get(name) or (SAMPLES / f"{name}.eml").read_bytes().partition(b"\r\n\r\n")[2]
    boundary = body.lstrip().partition(b"\r\n")[0][2:].decode()
    kind = "text/plain" if name in bodies else TYPES[4].format(f'"{boundary}"')
    honest = signed(mail(body=body, kind=kind), h=GMAIL)
    wanted = leading(read(honest).text)
    assert wanted and wanted[0][0] == "!"
    if name not in bodies:
        assert (await judged(world, honest)).reason is None
    old = f"Content-Type: {kind}\r\n".encode()
    assert old in honest
    tried = 0
    for other, encoding in itertools.product(TYPES, ENCODINGS):
        new = f"Content-Type: {other.format(boundary)}\r\n" if other else ""
        new += f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
        try:
            raw = honest.replace(old, new.encode())
            message = read(raw)
        except FormError:
            continue
        tried += 1
        if (await judged(world, raw, message=message)).reason is None:
            assert [line.strip() for line in leading(message.text) if line[0] == "!"] in (
                [line.strip() for line in wanted],
                [],
            ), new
    assert tried > 20
