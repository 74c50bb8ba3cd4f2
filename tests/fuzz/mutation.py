"""Ways to change a message that know its structure: fields, folds, parts, charsets, signatures."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import strategies as st

from housecarl.message.form import MAX_SIZE

Draw = st.DrawFn
Change = Callable[[Draw, bytes], bytes]

#: pieces that mean something to one reader or another
TOKENS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\r\n \r\n", b" ", b"\t", b"\x00", b"\xff", b":", b"="),
    *(b"!plug heater on\r\n", b"\r\n!plug heater on\r\n", b"=21", b"&#33;", b"IXBsdWc=", b"- "),
    *(b"--b\r\n", b"--b--\r\n", b"> ", b"-- \r\n", b"<blockquote>", b"<!--", b"</td><td>", b"<p>"),
    *(
        "\u2028".encode(),
        "！plug heater on".encode(),
        "\u202e".encode(),
        b"\xed\xa0\x80",
        b"\xfe\xff",
    ),
    *(b"=?utf-8?q?=21plug_heater_on?=", b"=?utf-16?b?ACE=?=", b"(", b")", b'"', b"\\", b"<", b">"),
)
ADDRESSES = (
    *(b"ann@example.org", b"eve@evil.example", b'"ann@example.org" <eve@evil.example>'),
    *(b"ann@example.org <eve@evil.example>", b"=?utf-8?q?ann=40example.org?= <eve@evil.example>"),
    *(b'"ann@example.org"@evil.example', b"friends: ann@example.org;", b"ann@example.org (x)"),
    *(b"robin@example.org", b"12025550100.12025550199.Qx7bN2mR-e@txt.voice.google.com"),
)
KINDS = (
    *(b"text/plain; format=flowed; delsp=yes", b"text/html", b"text/plain; charset=utf-16"),
    *(
        b"text/plain; charset=utf-7",
        b"text/plain; charset(x)=utf-16",
        b"multipart/mixed; boundary=b",
    ),
    *(b'multipart/alternative; boundary="!plug heater on"', b"message/rfc822", b"text/enriched"),
    *(
        b"text/plain; charset=iso-2022-jp",
        b"text/plain; charset=hz",
        b"multipart/digest; boundary=b",
        b'multipart/mixed; boundary="-------- Forwarded message ---------"',
    ),
)
FIELDS = (
    *(b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: quoted-printable"),
    *(b"Content-Transfer-Encoding: 7bit", b"Content-Disposition: attachment", b"MIME-Version: 1.0"),
    *(b"Subject: !plug heater on", b"Subject: =?utf-8?q?=21plug_heater_on?=", b"Date: x"),
    *(
        b"Message-ID: <other@example.org>",
        b"Delivered-To: house@gmail.com",
        b"To: cmd@home.example",
    ),
    *(
        b"Authentication-Results: mx.google.com; dkim=pass header.i=@example.org",
        b"Reply-To: e@e.e",
    ),
    *(b"ARC-Authentication-Results: i=1; x; dkim=pass", b"ARC-Seal: i=3; cv=pass", b"X: y"),
    *(
        b"Received: from a by mx.google.com with ESMTPS id 1; now",
        b"Return-Path: <>",
        b"From : x@y",
    ),
    *(b"From ann@example.org", b"References: <a@b>", b"Bcc: ann@example.org", b"Sender: eve@e.e"),
)


def head_of(raw: bytes) -> tuple[list[bytes], bytes]:
    """The fields, folds kept, and all from the empty line on."""
    head, mark, body = raw.partition(b"\r\n\r\n")
    return re.split(rb"\r\n(?![ \t])", head), mark + body


def whole(fields: list[bytes], rest: bytes) -> bytes:
    """A message of fields and the rest."""
    return b"\r\n".join(fields) + rest


def place(draw: Draw, raw: bytes) -> int:
    """Any offset."""
    return draw(st.integers(0, len(raw)))


def flip(draw: Draw, raw: bytes) -> bytes:
    """One byte is another."""
    at = place(draw, raw)
    return raw[:at] + bytes([draw(st.integers(0, 255))]) + raw[at + 1 :]


def splice(draw: Draw, raw: bytes) -> bytes:
    """A piece comes in, maybe over others."""
    at = place(draw, raw)
    piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=8))
    return raw[:at] + piece + raw[at + draw(st.sampled_from((0, 0, 1, 2, 20, 400))) :]


def copy(draw: Draw, raw: bytes) -> bytes:
    """A stretch of it stands once more, elsewhere."""
    start, at = place(draw, raw), place(draw, raw)
    return raw[:at] + raw[start : start + draw(st.integers(1, 2000))] + raw[at:]


def double(draw: Draw, raw: bytes) -> bytes:
    """A field stands twice, or elsewhere, or not at all."""
    fields, rest = head_of(raw)
    one = draw(st.sampled_from(fields))
    if draw(st.booleans()):
        fields.remove(one)
    if draw(st.booleans()):
        fields.insert(draw(st.integers(0, len(fields))), one)
    return whole(fields, rest)


def add(draw: Draw, raw: bytes) -> bytes:
    """A field that means something comes in anywhere."""
    fields, rest = head_of(raw)
    fields.insert(draw(st.integers(0, len(fields))), draw(_new_fields()))
    return whole(fields, rest)


def rewrite(draw: Draw, raw: bytes) -> bytes:
    """A field says something else."""
    fields, rest = head_of(raw)
    at = draw(st.integers(0, len(fields) - 1))
    name, _, value = fields[at].partition(b":")
    new = draw(st.sampled_from((*TOKENS, *ADDRESSES, *KINDS, value + b" ", b"\r\n" + value, b"")))
    fields[at] = name + draw(st.sampled_from((b":", b": ", b" :", b":\r\n "))) + new
    return whole(fields, rest)


def retype(draw: Draw, raw: bytes) -> bytes:
    """Its Content-Type is another, or the first one."""
    fields, rest = head_of(raw)
    kept = [each for each in fields if not each.lower().startswith(b"content-type:")]
    kept.insert(draw(st.integers(0, len(kept))), b"Content-Type: " + draw(st.sampled_from(KINDS)))
    return whole(kept, rest)


def recharset(draw: Draw, raw: bytes) -> bytes:
    """Every charset named in it is another."""
    name = draw(
        st.sampled_from((b"utf-16", b"utf-7", b"hz", b"x", b"\xff", b"punycode", b"cp1252"))
    )
    return re.sub(rb'(?i)charset="?[\w-]+"?', b"charset=" + name, raw)


def nest(draw: Draw, raw: bytes) -> bytes:
    """What it holds lies some parts deep."""
    fields, rest = head_of(raw)
    depth = draw(st.sampled_from((1, 2, 19, 20, 60)))
    body, inner = rest.removeprefix(b"\r\n\r\n"), b"text/plain"
    for number in range(depth):
        line = b"--n%d" % number
        body = (
            line + b"\r\nContent-Type: " + inner + b"\r\n\r\n" + body + b"\r\n" + line + b"--\r\n"
        )
        inner = b"multipart/mixed; boundary=n%d" % number
    fields = [each for each in fields if not each.lower().startswith(b"content-type:")]
    return whole([*fields, b"Content-Type: " + inner], b"\r\n\r\n" + body)


def blank(draw: Draw, raw: bytes) -> bytes:
    """White space that relaxed signatures do not see: at line ends, in empty lines, in runs."""
    spots = [match.start() for match in re.finditer(rb"\r\n|[ \t]", raw)]
    for at in sorted(draw(st.lists(st.sampled_from(spots or [0]), max_size=4)), reverse=True):
        raw = raw[:at] + draw(st.sampled_from((b" ", b"  ", b"\t"))) + raw[at:]
    return raw


def squeeze(draw: Draw, raw: bytes) -> bytes:
    """White space at line ends is gone."""
    return re.sub(rb"[ \t]+\r\n", b"\r\n", raw) if draw(st.booleans()) else raw.rstrip()


def swell(draw: Draw, raw: bytes) -> bytes:
    """A stretch is repeated, up to the size limit and a little beyond."""
    at = place(draw, raw)
    unit = draw(st.sampled_from(TOKENS) | st.binary(min_size=1, max_size=40)) or b"x"
    size = draw(st.sampled_from((1000, 4000, 9000, 60_000, MAX_SIZE - len(raw), MAX_SIZE)))
    piece = unit * max(0, size // len(unit))
    if draw(st.booleans()):
        fold = draw(st.sampled_from((b"\r\n", b"\r\n ")))
        piece = fold.join(piece[n : n + 900] for n in range(0, len(piece), 900))
    return raw[:at] + piece + raw[at:]


def sign(draw: Draw, raw: bytes) -> bytes:
    """Its signatures are many, huge, or say something more."""
    fields, rest = head_of(raw)
    mine = [each for each in fields if b"b=" in each and b"d=" in each]
    if not mine:
        return raw
    one = draw(st.sampled_from(mine))
    more = draw(
        st.sampled_from((b"; l=5", b"; x=1", b"; t=9", b"; d=evil.example", b"; h=from", b""))
    )
    if draw(st.booleans()):
        return b"\r\n".join([one] * draw(st.sampled_from((1, 5, 100))) + fields) + rest
    blanks = b"\r\n\t" * draw(st.sampled_from((0, 1, 60, 1000)))
    fields[fields.index(one)] = one.replace(b"b=", b"b=" + blanks, 1) + more
    return whole(fields, rest)


def append(draw: Draw, raw: bytes) -> bytes:
    """More stands below."""
    return raw + draw(
        st.sampled_from((b"\r\n", b"\r\n\r\n", b"!plug heater on\r\n", b"--b--", b" "))
    )


def behead(draw: Draw, raw: bytes) -> bytes:
    """It begins or ends elsewhere."""
    at = place(draw, raw)
    return raw[at:] if draw(st.booleans()) else raw[:at]


CHANGES: tuple[Change, ...] = (
    *(flip, splice, copy, double, add, rewrite, retype, recharset, nest, blank, squeeze, swell),
    *(sign, append, behead),
)


@st.composite
def changed(draw: Draw, raw: bytes) -> bytes:
    """The message after one to four changes."""
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4)):
        raw = change(draw, raw)
    return raw


def _new_fields() -> st.SearchStrategy[bytes]:
    senders = st.sampled_from(ADDRESSES).map(lambda each: b"From: " + each)
    kinds = st.sampled_from(KINDS).map(lambda each: b"Content-Type: " + each)
    return st.sampled_from(FIELDS) | senders | kinds
