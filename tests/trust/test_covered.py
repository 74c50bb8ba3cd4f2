"""An unsigned Content-Type: believed only where it cannot make the body say something else."""

from __future__ import annotations

import base64
import quopri

import pytest

from .conftest import World, judged, mail, signed

H = "from:to:subject:date:message-id:mime-version"
WIDE = 'multipart/mixed; boundary="b1"'
PART = b"--b1\r\nContent-Type: text/plain\r\n\r\n!plug lamp on\r\n--b1--\r\n"


async def said(world: World, kind: str, body: bytes, encoding: str = "") -> str:
    """What the check of a signature says that covers everything but the Content-Type."""
    extra = f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""
    h = H + (":content-transfer-encoding" if encoding else "")
    raw = signed(mail(body=body, kind=kind, extra=extra), h=h)
    return (await judged(world, raw)).checks["dkim"].partition(" (")[0]


REFUSED = "uncovered-content-type"
HELD = "pass example.org"


@pytest.mark.parametrize(
    "charset",
    "us-ascii ASCII UTF-8 utf8 iso-8859-1 iso-8859-15 windows-1252 iso-2022-jp hz koi8-r gb2312 "
    "shift_jis ANSI_X3.4-1968 utf-7 unknown-8bit".split(),
)
@pytest.mark.parametrize("kind", ["plain", "html"])
async def test_a_charset_that_keeps_ascii_does_no_harm(
    world: World, charset: str, kind: str
) -> None:
    body = b"<p>!plug lamp on</p>\r\n" if kind == "html" else b"!plug lamp on\r\n"
    assert await said(world, f"text/{kind}; charset={charset}", body) == HELD


@pytest.mark.parametrize(
    ("charset", "body", "word"),
    [
        ("utf-16", b"!plug lamp on\r\n", REFUSED),
        ("iso-2022-jp", b'!say \x1b$B$"\x1b(B\r\n', REFUSED),
        ("iso-2022-jp", b"\x1b$B!*\x1b(Bplug lamp on\r\n", REFUSED),
        ("iso-2022-jp", b'!plug lamp on\r\n\r\n\x1b$B$"\x1b(B\r\n', HELD),
        ("hz", b"!say ~{!!~}on\r\n", REFUSED),
        ("hz", b"!plug lamp ~\r\non\r\n", REFUSED),
        ("shift_jis", b"!say \x83\x5c\r\n", REFUSED),
        ("koi8-r", b"!say \xd0\xbf\r\n", REFUSED),
        ("koi8-r", b"!plug lamp on\r\n\xd0\xbf\r\n", HELD),
        ("utf8", b"!say \xd0\xbf\r\n", HELD),
        ("windows-1252", "!say à".encode() + b" la carte\r\n", REFUSED),
        ("iso-8859-1", b"!say caf\xe9\r\n", REFUSED),
        ("iso-8859-1", b"!plug lamp on\r\n\r\nGr\xfc\xdfe\r\n", HELD),
    ],
)
async def test_in_any_charset_the_commands_must_read_the_same_as_in_utf_8(
    world: World, charset: str, body: bytes, word: str
) -> None:
    """Whoever carries the mail could write another there: of `à` Windows makes two words."""
    kind = f"text/plain; charset={charset}"
    assert await said(world, kind, body, "8bit") == word


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (PART, HELD),
        (b"--b1 \t\r\ncontent-type: text/plain" + PART[30:], HELD),
        (b"\r\n\r\n" + PART, HELD),
        (b"this is a multipart message in MIME format\r\n\r\n" + PART, HELD),
        (b"This is a multi-part message in MIME format.\r\n" + PART, HELD),
        (b"This is a cryptographically signed message in MIME format.\r\n\r\n" + PART, HELD),
        (b"This is an OpenPGP/MIME signed message (RFC 4880 and 3156)\r\n" + PART, HELD),
        (b"This is an OpenPGP/MIME signed message (RFC 9580 and 3156)\r\n" + PART, HELD),
        (b"This is an S/MIME signed message\r\n\r\n" + PART, HELD),
        (b"This is an old message\r\n" + PART, REFUSED),
        (b"\r\n" * 120 + b"x\r\n" + PART, REFUSED),
        (b"!plug heater on\r\n" + PART, REFUSED),
        (b"--b2\r\nContent-Type: text/plain" + PART[30:], REFUSED),
        (b" --b1\r\nContent-Type: text/plain" + PART[30:], REFUSED),
        (b"--b1\r\nX-Type: text/plain" + PART[30:], REFUSED),
        (b"--b1\r\n\r\n!plug lamp on\r\n--b1--\r\n", REFUSED),
    ],
    ids=range(16),
)
async def test_a_multipart_begins_with_its_boundary_and_a_field(
    world: World, body: bytes, word: str
) -> None:
    assert await said(world, WIDE, body) == word


def parts(*several: str) -> bytes:
    """A body of parts, each as `Content-` and the rest of its header, an empty line, its text."""
    return "".join(f"--b1\r\nContent-{each}\r\n" for each in several).encode() + b"--b1--\r\n"


HTML, PLAIN = "Type: text/html\r\n\r\n<p>{}</p>", "Type: text/plain\r\n\r\n{}"
NOTE = "Disposition: inline; filename=note.txt\r\nContent-Type: text/plain\r\n\r\n{}"
FILE = "Disposition: attachment\r\nContent-Type: text/plain\r\n\r\n{}"
HI, HEATER = "Here is his note", "!plug heater on"


@pytest.mark.parametrize("kind", ["mixed", "alternative", "related", "signed"])
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (parts(HTML.format(HI), NOTE.format(HEATER)), REFUSED),
        (parts(HTML.format(HEATER), NOTE.format(HI)), REFUSED),
        (parts(HTML.format(HI), HTML.format(HI), PLAIN.format(HEATER)), REFUSED),
        (parts(HTML.format(HEATER), PLAIN.format(HEATER)), HELD),
        (parts(HTML.format(HEATER), PLAIN.format(f"{HEATER}\r\n-- \r\nAnn")), HELD),
        (parts(PLAIN.format(HI), HTML.format(HI), NOTE.format(HEATER)), HELD),
        (parts(HTML.format(HI), FILE.format(HEATER)), HELD),
        (parts(HTML.format(""), NOTE.format(HEATER)), HELD),
        (parts(HTML.format(HI), HTML.format(HEATER)), HELD),
    ],
    ids=range(9),
)
async def test_a_multipart_whose_kind_decides_what_is_read_is_refused(
    world: World, kind: str, body: bytes, word: str
) -> None:
    """Or else who carries it could choose between a letter and the note that came with it."""
    assert await said(world, f"multipart/{kind}; boundary=b1", body) == word


@pytest.mark.parametrize(
    ("kind", "body", "word"),
    [
        ("text/html", b"<div>!plug lamp</div>off\r\n", HELD),
        ("text/html", b"!plug lamp\r\noff to bed\r\n", REFUSED),
        ("text/plain; format=flowed", b"!plug lamp on\r\n", HELD),
        ("text/plain; format=flowed", b"!plug lamp \r\noff\r\n", HELD),
    ],
)
@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
async def test_the_body_is_looked_at_as_the_reader_decodes_it(
    world: World, kind: str, body: bytes, word: str, encoding: str
) -> None:
    if encoding == "base64":
        body = base64.encodebytes(body).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        body = quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        body = body.replace(b"<", b"=3C")
    assert await said(world, kind, body, encoding) == word


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"  \r\n <!doctype html><p>!plug lamp on</p>\r\n"),
        ("text/html", b"<!-- made by x --><p>!plug lamp on</p>\r\n"),
        ("TEXT/HTML", b"<H1>!plug lamp on</H1>\r\n"),
        ("text/html", b"<br/>!plug lamp on\r\n"),
    ],
)
async def test_a_page_is_known_by_its_first_tag(world: World, kind: str, body: bytes) -> None:
    assert await said(world, kind, body) == HELD


@pytest.mark.parametrize("body", [b"<bread> and butter\r\n", b"1 < 2\r\n", b"<h7>x\r\n", b"<>\r\n"])
async def test_what_only_looks_like_a_page_is_refused(world: World, body: bytes) -> None:
    assert await said(world, "text/html", body) == REFUSED


async def test_what_is_neither_text_nor_a_page_is_refused(world: World) -> None:
    assert await said(world, "text/calendar", b"!plug lamp on\r\n") == REFUSED


async def test_what_is_unsigned_and_harmless_is_noted(world: World) -> None:
    raw = signed(mail(extra="Reply-To: x@example.org\r\n"), h="from:subject")
    noted = (await judged(world, raw)).checks["dkim"]
    assert noted == "pass example.org (unsigned: to date message-id reply-to content-type)"


@pytest.mark.parametrize("kind", ["", "text/plain"])
@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"!plug lamp on\r\n", HELD),
        (b"--b1\r\nwho: I\r\n", HELD),
        (PART, REFUSED),
        (b"a sentence for old programs\r\n" + PART, REFUSED),
        (b"<p>!plug lamp on</p>\r\n", REFUSED),
    ],
)
async def test_what_is_cut_into_parts_or_a_page_is_no_plain_text(
    world: World, kind: str, body: bytes, word: str
) -> None:
    """As that it would hold no command, and one in its subject would be done instead."""
    assert await said(world, kind, body) == word
