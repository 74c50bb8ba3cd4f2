"""The gate on raw bytes: what a message must look like before anybody reads it.

Every later step uses the one reading made here, so that what a signature covers, what a rule
matched and what is obeyed cannot come from different readings. The bounds keep any input cheap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from housecarl.errors import FormError
from housecarl.message.address import From, parse
from housecarl.message.field import Field, split, topmost
from housecarl.message.part import Part, scan

#: bytes; a command is a few hundred, a signed and twice forwarded one 12 KiB
MAX_SIZE = 256 * 1024
#: bytes of the header block; beyond it other parsers need seconds
MAX_HEADER = 64 * 1024
#: fields; a message forwarded twice by Gmail has about 60
MAX_FIELDS = 200
#: octets of a line without its CR LF (RFC 5322 2.1.1)
MAX_LINE = 998
#: bytes of one signature: a 4096-bit one with a long h= stays below 2 KiB, and 64 KiB of blanks in
#: b= stall a verifier for 12 s
MAX_SIGNATURE = 4096
#: bytes of one field that is read by its meaning
MAX_VALUE = 8192

#: readings kept, and the bytes of the longest: a door sees the form of what is judged right after
KEPT, KEPT_SIZE = 32, 8192

SINGLETONS = frozenset(
    "from sender reply-to to cc subject date message-id in-reply-to references mime-version".split()
)
SIGNATURES = frozenset(
    "dkim-signature arc-seal arc-message-signature x-google-dkim-signature".split()
)
RESULTS = frozenset("authentication-results arc-authentication-results".split())

_BARE_CR = re.compile(rb"\r(?!\n)")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK_FOLD = re.compile(r"\r\n[ \t]*(?=\r\n|\Z)")
_MESSAGE_ID = re.compile(r"[!-~]{1,998}")


@dataclass(frozen=True, slots=True)
class Form:
    """A message that passed the gate: its bytes, and the one reading of its header and parts.

    `fields` is the header, top first, `top` the first of each key, `body` the offset where the
    body starts. `from_address` has its domain in lower case; only a note dropped as a file may have
    none. `root` is the message as a MIME part.
    """

    raw: bytes = field(repr=False)
    fields: tuple[Field, ...] = field(repr=False)
    top: Mapping[str, Field] = field(repr=False)
    body: int
    from_address: str | None
    from_name: str
    message_id: str | None
    root: Part = field(repr=False)

    def first(self, key: str) -> str | None:
        """The unfolded value of the topmost field with this lower-case name."""
        found = self.top.get(key)
        return None if found is None else found.unfolded


def gate(raw: bytes, *, max_size: int = MAX_SIZE, needs_from: bool = True) -> Form:
    """The message if its form is sound; `needs_from=False` lets a dropped note have no From.

    Raises FormError; its reason is one of: empty, size, nul, bare-cr, bare-lf, line-length,
    header-size, header-count, header-8bit, header-control, header-start, header-line, twice,
    field-size, signature-size, blank-fold, from-missing, from, content-type, mime-header,
    mime-boundary, mime-depth, mime-parts.
    """
    if len(raw) > max_size:
        raise FormError("size", f"{len(raw)} bytes")
    return _kept(raw, needs_from) if len(raw) <= KEPT_SIZE else _read(raw, needs_from)


def _read(raw: bytes, needs_from: bool) -> Form:
    _bytes_are_sound(raw)
    block, body = _header(raw)
    fields = split(block)
    _fields_are_sound(fields)
    top = topmost(fields)
    sender = _from(top, needs_from)
    named = top.get("message-id")
    value = named.unfolded if named is not None else ""
    return Form(
        raw=raw,
        fields=fields,
        top=top,
        body=body,
        from_address=sender.address if sender else None,
        from_name=sender.name if sender else "",
        message_id=value if _MESSAGE_ID.fullmatch(value) else None,
        root=scan(raw, fields, body),
    )


_kept = lru_cache(KEPT)(_read)


def _bytes_are_sound(raw: bytes) -> None:
    if not raw:
        raise FormError("empty")
    if b"\x00" in raw:
        raise FormError("nul")
    if _BARE_CR.search(raw):
        raise FormError("bare-cr")
    if _BARE_LF.search(raw):
        raise FormError("bare-lf")
    if max(map(len, raw.split(b"\r\n"))) > MAX_LINE:
        raise FormError("line-length")


def _header(raw: bytes) -> tuple[str, int]:
    """The header block without its last CR LF, and the offset of the body."""
    if raw.startswith(b"\r\n"):
        return "", 2
    end = raw.find(b"\r\n\r\n")
    block, body = (raw, len(raw)) if end < 0 else (raw[:end], end + 4)
    if len(block) > MAX_HEADER:
        raise FormError("header-size", f"{len(block)} bytes")
    if not block.isascii():
        raise FormError("header-8bit")
    text = block.decode("ascii")
    if _CONTROL.search(text):
        raise FormError("header-control")
    return text, body


def _fields_are_sound(fields: tuple[Field, ...]) -> None:
    if len(fields) > MAX_FIELDS:
        raise FormError("header-count", f"{len(fields)} fields")
    seen: set[str] = set()
    for each in fields:
        key = each.key
        if key in SIGNATURES and len(each.value) > MAX_SIGNATURE:
            raise FormError("signature-size", each.name)
        if key in RESULTS and len(each.value) > MAX_VALUE:
            raise FormError("field-size", each.name)
        if key not in SINGLETONS and not key.startswith("content-"):
            continue
        if key in seen:
            raise FormError("twice", each.name)
        seen.add(key)
        if len(each.value) > MAX_VALUE and key not in ("to", "cc"):
            raise FormError("field-size", each.name)
        if _BLANK_FOLD.search(each.value):
            raise FormError("blank-fold", each.name)


def _from(top: Mapping[str, Field], needed: bool) -> From | None:
    found = top.get("from")
    if found is not None:
        return parse(found.unfolded)
    if needed:
        raise FormError("from-missing")
    return None
