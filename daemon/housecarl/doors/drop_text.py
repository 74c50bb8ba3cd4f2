"""The bytes of a dropped file as a message: an e-mail as it is, anything else a text in UTF-8."""

from __future__ import annotations

import base64
import codecs
import re

from housecarl.message.form import MAX_LINE

_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:[ \t]?")
_AS = re.compile(rb"As:[ \t]*([A-Za-z0-9_.-]{1,64})[ \t]*\r?\n")

#: How a file says in which Unicode form it is; the longer mark of UTF-32 begins as UTF-16's does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: UTF-16 without a mark by which of its first four bytes are not 0: a command begins with ASCII,
#: and no other text has a 0 in it.
_UNMARKED: dict[tuple[bool, ...], str] = {
    (True, False, True, False): "utf-16-le",
    (False, True, False, True): "utf-16-be",
}


def read(data: bytes) -> tuple[str, bytes]:
    """Whom a dropped file says it is from, "" if nobody, and the message in it."""
    person, rest = split_as(as_utf8(data))
    return person, as_message(rest)


def as_utf8(data: bytes) -> bytes:
    """A file in UTF-16 or in UTF-32 with a mark, as Windows writes it, in UTF-8; no mark is left.

    What cannot be decoded becomes U+FFFD; other files stay what they are.
    """
    for mark, codec in _MARKS:
        if data.startswith(mark):
            rest = data[len(mark) :]
            return rest if codec == "utf-8" else rest.decode(codec, "replace").encode()
    unmarked = _UNMARKED.get(tuple(map(bool, data[:4])))
    return data if unmarked is None else data.decode(unmarked, "replace").encode()


def split_as(data: bytes) -> tuple[str, bytes]:
    """A first line `As: NAME` and what follows it; no such line: ("", all of it)."""
    match = _AS.match(data)
    return ("", data) if match is None else (match[1].decode(), data[match.end() :])


def as_message(data: bytes) -> bytes:
    """A dropped file with CR LF: an e-mail as it is, a text below a Content-Type.

    A text that is no UTF-8 is taken for Windows-1252, of which Latin-1's letters are a part. One
    with lines that are too long for a mail is encoded as a mail encodes it.
    """
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if looks_like_mail(data):
        return lines
    charset = "utf-8" if _is_utf8(lines) else "windows-1252"
    head = f"Content-Type: text/plain; charset={charset}\r\n"
    if max(map(len, lines.split(b"\r\n"))) > MAX_LINE:
        head += "Content-Transfer-Encoding: base64\r\n"
        lines = base64.encodebytes(lines).replace(b"\n", b"\r\n")
    return f"{head}\r\n".encode() + lines


def looks_like_mail(data: bytes) -> bool:
    """Whether a file begins with a header block that has a From line."""
    head = data.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    first = head.partition(b"\n")[0]
    return bool(_HEADER.match(first)) and bool(re.search(rb"(?mi)^from:", head))


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
