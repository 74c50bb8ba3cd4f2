"""The mail a reply travels in: RFC 5322 bytes into which nothing from outside can put a header."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from binascii import b2a_qp
from datetime import datetime
from email.utils import format_datetime
from typing import NamedTuple

from housecarl.errors import PostRefused
from housecarl.message.field import MESSAGE_ID
from housecarl.message.model import Thread

#: What marks a mail as ours; a message that carries it is never answered.
LOOP_MARK = ("X-Loop", "housecarl")

#: Characters of a subject: more is folded away by mail programs.
MAX_SUBJECT = 200
#: Message-IDs in References: the newest tell the conversation.
MAX_REFERENCES = 20
#: Bytes of a body line sent as it is (RFC 5322 2.1.1 says 998 at most).
MAX_LINE = 990
#: Bytes of UTF-8 in one encoded word, so that it stays within 75 characters (RFC 2047 2).
_WORD_BYTES = 45

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
#: Never in a header, not even encoded: controls and what some readers take for a line end.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
#: One field of a header block as every reader sees it: a name, printable ASCII, and folds of both.
_FIELD = re.compile(r"([!-9;-~]+): ([ -~]*(?:\r\n [ -~]+)*)\r\n")


class Letter(NamedTuple):
    """Who writes to whom, when, and in which conversation.

    `subject` starts a new conversation; within a `thread` its subject is used. `message_id` stays
    the same however often the letter is sent. `date` must know its zone.
    """

    sender: str
    to: str
    message_id: str
    date: datetime
    thread: Thread = Thread()
    subject: str = ""


def compose(letter: Letter, text: str, html: str | None = None) -> bytes:
    """The whole mail with CR LF line ends: one part for a text message, two when there is `html`.

    Raises PostRefused when an address or a Message-ID of it cannot stand in a header.
    """
    headers = _headers(letter)
    kind, body = _body(text, html)
    headers += kind
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    if _FIELD.findall(head) != headers:
        raise PostRefused("the mail would not read back as it was written")
    return head.encode("ascii") + b"\r\n" + body


def _headers(letter: Letter) -> list[tuple[str, str]]:
    thread = letter.thread
    answers = MESSAGE_ID.fullmatch(thread.in_reply_to)
    headers = [
        ("Date", format_datetime(letter.date)),
        ("From", _checked(_ADDRESS, letter.sender, "sender")),
        ("To", _checked(_ADDRESS, letter.to, "recipient")),
        ("Subject", _subject(letter)),
        ("Message-ID", _checked(MESSAGE_ID, letter.message_id, "Message-ID")),
    ]
    if answers:
        headers.append(("In-Reply-To", thread.in_reply_to))
    references = [one for one in thread.references if MESSAGE_ID.fullmatch(one)]
    if answers and thread.in_reply_to not in references:
        references.append(thread.in_reply_to)
    if references:
        headers.append(("References", "\r\n ".join(references[-MAX_REFERENCES:])))
    return [
        *headers,
        ("Auto-Submitted", "auto-replied" if answers else "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        LOOP_MARK,
        ("MIME-Version", "1.0"),
    ]


def _checked(form: re.Pattern[str], value: str, what: str) -> str:
    if not form.fullmatch(value):
        raise PostRefused(f"the {what} cannot stand in a header")
    return value


def _subject(letter: Letter) -> str:
    """`Re: ` and the conversation's subject, else the letter's own; encoded when not ASCII."""
    thread = " ".join(_CONTROLS.sub(" ", letter.thread.subject).split())
    if thread:
        subject = thread if thread[:3].lower() == "re:" else f"Re: {thread}"
    else:
        subject = " ".join(_CONTROLS.sub(" ", letter.subject).split()) or "housecarl"
    subject = subject[:MAX_SUBJECT].rstrip()
    if subject.isascii() and "=?" not in subject:
        return subject
    return "\r\n ".join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in _words(subject))


def _words(text: str) -> list[bytes]:
    """UTF-8 of `text` in pieces that fit an encoded word and break between characters."""
    words = [b""]
    for char in text:
        encoded = char.encode()
        if len(words[-1]) + len(encoded) > _WORD_BYTES:
            words.append(b"")
        words[-1] += encoded
    return words


def _body(text: str, html: str | None) -> tuple[list[tuple[str, str]], bytes]:
    """The headers that describe the body, and the body."""
    if html is None:
        return _part("plain", text)
    mark = hashlib.sha256(f"{text}\0{html}".encode("utf-8", "replace")).hexdigest()[:24]
    boundary = f"=_{mark}"
    pieces = []
    for subtype, content in (("plain", text), ("html", html)):
        headers, body = _part(subtype, content)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        pieces.append(f"--{boundary}\r\n{head}\r\n".encode("ascii") + body)
    whole = b"".join(pieces) + f"--{boundary}--\r\n".encode("ascii")
    return [("Content-Type", f'multipart/alternative; boundary="{boundary}"')], whole


def _part(subtype: str, content: str) -> tuple[list[tuple[str, str]], bytes]:
    """One text part, as it is when mail can carry that, else quoted-printable."""
    lines = content.encode("utf-8", "replace").splitlines() or [b""]
    if content.isascii() and max(map(len, lines)) <= MAX_LINE and b"\0" not in content.encode():
        encoding, body = "7bit", b"\r\n".join(lines)
    else:
        encoding, body = "quoted-printable", b2a_qp(b"\n".join(lines)).replace(b"\n", b"\r\n")
    headers = [
        ("Content-Type", f"text/{subtype}; charset=utf-8"),
        ("Content-Transfer-Encoding", encoding),
    ]
    return headers, body + b"\r\n"
