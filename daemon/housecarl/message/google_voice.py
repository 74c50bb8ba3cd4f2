"""Google Voice notices by mail: texts in every form since 2010, and what is not a text.

Who is texting stands in the From address `<our number>.<their number>.<token>` at
txt.voice.google.com, or, where Google sends from voice-noreply@google.com, only in the Subject. The
display name is whatever the owner called that contact and proves nothing.
"""

from __future__ import annotations

import re

from housecarl.errors import FormError
from housecarl.message.field import readable
from housecarl.message.form import Form
from housecarl.message.mail import thread
from housecarl.message.model import Kind, Message
from housecarl.message.voice_text import texted

NOREPLY = "voice-noreply@google.com"
#: Where texts come from, and where Google takes a mail and texts it on (public mails, 2010-2026).
DOMAIN = "@txt.voice.google.com"

_CONVERSATION = re.compile(r"(\d{1,15})\.(\d{3,15})\.([A-Za-z0-9_-]{4,32})@txt\.voice\.google\.com")
#: what Google calls things in an English account; other accounts differ, the addresses do not
_GROUP = re.compile(r"(?:new )?(?:group|mms|picture|multimedia)\b", re.IGNORECASE)
_CALL = re.compile(r"new (?:voicemail|voice message|missed call|call)\b", re.IGNORECASE)
_TEXT = re.compile(r"(?:New text message|SMS) from (.+)")
#: the number at the end of a subject; 2012 put it in brackets after a name
_NUMBER = r"\(\d{3}\) \d{3}-\d{4}|\+\d[\d ()-]{5,20}"
_TRAILING = re.compile(rf"(?:^|[ \[])({_NUMBER})\]?$")
#: a subject that names nobody but a number: a short code, or digits as somebody wrote them
_UNNAMED = re.compile(r"[\d(][\d ()-]{2,20}")
#: bodies that stand for a picture
_PICTURE = re.compile(r"(?:MMS|Picture|Multimedia message) received\.?", re.IGNORECASE)
#: digits; anything shorter is a short code, which no phone number anywhere is
_SHORTEST_NUMBER = 7


def is_one(form: Form) -> bool:
    """Whether the sender's address is one of Google Voice's."""
    address = form.from_address or ""
    return address == NOREPLY or address.endswith(DOMAIN)


def numbers(address: str) -> tuple[str | None, str | None] | None:
    """Ours and theirs, E.164, of a conversation's address; None for any other address."""
    match = _CONVERSATION.fullmatch(address)
    return None if match is None else (_e164(match[1]), _e164(match[2]))


def read(form: Form) -> Message:
    """The notice; only `Kind.SMS` carries a text.

    `facts`: `gv_number` (ours, E.164), `token` of the conversation, `name` of the contact; None
    where this form does not say. Raises FormError `gv-address`, `gv-subject` (From and Subject name
    different numbers), `gv-parts` or `gv-disagree` (plain text and HTML say different things).
    """
    subject = readable(form.first("subject") or "")
    kind = _kind(form, subject)
    if kind is not Kind.SMS:
        return _nothing(form, kind, subject)
    if form.from_address == NOREPLY:
        return _message(form, subject, _subject_number(subject))
    match = _CONVERSATION.fullmatch(form.from_address or "")
    if match is None:
        raise FormError("gv-address")
    ours, theirs, token = match.groups()
    named = _subject_number(subject)
    if named is not None and named.removeprefix("+") != theirs:
        raise FormError("gv-subject", "another number than the address")
    return _message(form, subject, _e164(theirs), _e164(ours), token)


def _kind(form: Form, subject: str) -> Kind:
    if _GROUP.match(subject):
        return Kind.GROUP
    if _CALL.match(subject):
        return Kind.VOICEMAIL
    if form.from_address == NOREPLY and not _TEXT.fullmatch(subject):
        return Kind.NONE
    kinds = {part.type.partition("/")[0] for part in form.root.walk()}
    return Kind.SMS if kinds <= {"text", "multipart"} else Kind.GROUP


def _message(
    form: Form, subject: str, sender: str | None, ours: str | None = None, token: str | None = None
) -> Message:
    text = texted(form.root)
    if _PICTURE.fullmatch(text.strip()):
        return _nothing(form, Kind.GROUP, subject)
    return Message(
        kind=Kind.SMS,
        sender=sender,
        from_address=form.from_address,
        text=text,
        subject=subject,
        message_id=form.message_id,
        reply_to=form.from_address if token else None,
        thread=thread(form, subject),
        facts={"gv_number": ours, "token": token, "name": _name(form, subject)},
    )


def _nothing(form: Form, kind: Kind, subject: str) -> Message:
    return Message(
        kind=kind, from_address=form.from_address, subject=subject, message_id=form.message_id
    )


def _e164(digits: str) -> str | None:
    """A label of the address as a number: E.164, a short code bare, None for Google's `0`."""
    if digits.startswith("0"):
        return None
    return f"+{digits}" if len(digits) >= _SHORTEST_NUMBER else digits


def _subject_number(subject: str) -> str | None:
    """The number a subject ends with: E.164, or the bare digits of a short code.

    One in brackets goes first: what stands before it is the contact's name, be it `007`.
    """
    match = _TRAILING.search(subject[-60:])
    if match is not None:
        digits = re.sub(r"\D", "", match[1])
        return _dialled(digits) if match[1].startswith("(") else f"+{digits}"
    text = _TEXT.fullmatch(subject)
    unnamed = text is not None and _UNNAMED.fullmatch(text[1])
    return _dialled(re.sub(r"\D", "", unnamed[0])) if unnamed else None


def _dialled(digits: str) -> str:
    """Digits without a plus: ten are a number of the North American plan, few are a short code."""
    if len(digits) < _SHORTEST_NUMBER:
        return digits
    return f"+1{digits}" if len(digits) == len("2025550199") else f"+{digits}"


def _name(form: Form, subject: str) -> str | None:
    """What the owner calls this contact: the display name, else the words before the number."""
    name = form.from_name.removesuffix("(SMS)").strip()
    if form.from_address == NOREPLY:
        text = _TEXT.fullmatch(subject)
        name = _TRAILING.sub("", text[1]).strip() if text else ""
    return name if name and not re.fullmatch(r"[\d\s()+.-]+", name) else None
