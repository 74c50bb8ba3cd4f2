"""The MIME structure of a message: its parts as slices of the bytes, found in one bounded pass."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from housecarl.errors import FormError
from housecarl.message.charset import decode
from housecarl.message.field import Field, split

#: a mail client nests three or four deep; the standard library's parser gives up near 1,000
MAX_DEPTH = 20
#: a command comes in one or two parts; 100,000 parts cost other parsers seconds
MAX_PARTS = 50
#: bytes of one part's header and of one Content-Type; both are a few hundred in real mail
MAX_HEADER, MAX_TYPE = 8192, 4096
#: RFC 2046 5.1.1
MAX_BOUNDARY = 70
#: encodings that leave the bytes as they are (RFC 2045 6.2)
UNCHANGED = ("7bit", "8bit", "binary")

_DASHES = re.compile(rb"(?m)^--[^\r\n]*")
_BLANKS = re.compile(rb"[ \t]+")
#: looks like the empty line that ends a header, and is a fold
_BLANK_LINE = re.compile(rb"\r\n[ \t]+(?=\r\n|\Z)")
_TYPE = re.compile(r"[ \t]*([A-Za-z0-9!#$&^_.+-]{1,100})/([A-Za-z0-9!#$&^_.+-]{1,100})[ \t]*")
_PARAMETER = re.compile(
    r";[ \t;]*+(?:([^\s=;\"()]{1,100}+)[ \t]*+=[ \t]*+"
    r"(?:\"([^\"\\]*+(?:\\.[^\"\\]*+)*)\"|([^\s;\"()]*+)))?"
)
_COMMENT = re.compile(r"\([^()\\]*+\)")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its header, its type with parameters, and its body as bytes of the message."""

    fields: tuple[Field, ...]
    type: str
    parameters: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")
    children: tuple[Part, ...] = ()

    def header(self, key: str) -> str:
        """The unfolded value of the first field with this lower-case name, else an empty text."""
        return next((each.unfolded for each in self.fields if each.key == key), "")

    @property
    def attached(self) -> bool:
        """Whether the part is a file that came along, not something written in the message."""
        return self.header("content-disposition").lower().startswith("attachment")

    def text(self) -> str:
        """The body decoded, lines ending in `\\n`; what cannot be decoded becomes U+FFFD."""
        data, encoding = self.body, self.header("content-transfer-encoding").lower()
        try:
            if encoding == "base64":
                data = binascii.a2b_base64(data)
            elif encoding == "quoted-printable":
                data = binascii.a2b_qp(trimmed(data))
            elif encoding not in ("", *UNCHANGED):
                return ""
        except ValueError:
            return ""
        return decode(data, self.parameters.get("charset", "us-ascii"))

    def walk(self) -> Iterator[Part]:
        """This part and all below it, in the order they stand in the message."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(slots=True)
class _Open:
    """A part whose end has not been seen yet."""

    fields: tuple[Field, ...]
    type: str
    parameters: dict[str, str]
    start: int
    delimiters: tuple[bytes, ...] = ()
    children: list[Part] = field(default_factory=list)

    def closed(self, raw: bytes, end: int) -> Part:
        body = raw[self.start : max(self.start, end)]
        return Part(self.fields, self.type, self.parameters, body, tuple(self.children))


def scan(raw: bytes, fields: tuple[Field, ...], start: int) -> Part:
    """The whole message as a part, given its header fields and where its body starts.

    Raises FormError: `mime-depth`, `mime-parts`, `mime-header`, `mime-boundary`, `content-type`.
    """
    stack = [_opened(fields, start, ())]
    if not stack[0].delimiters:
        return stack[0].closed(raw, len(raw))
    count = 0
    for match in _DASHES.finditer(raw, start):
        line = _squeezed(match.group())
        level = next((n for n, part in enumerate(stack) if line in part.delimiters), None)
        if level is None:
            continue
        if match.start() < stack[-1].start:
            raise FormError("mime-header", "a boundary inside a part's header")
        _close(raw, stack, level, match.start())
        if line == stack[level].delimiters[1]:
            stack[level].delimiters = (b"", b"")  # no line equals these: the rest is epilogue
            continue
        count += 1
        if count > MAX_PARTS:
            raise FormError("mime-parts")
        stack.append(_next(raw, match.end() + 2, stack))
        if len(stack) > MAX_DEPTH:
            raise FormError("mime-depth")
    _close(raw, stack, 0, len(raw) + 2)
    return stack[0].closed(raw, len(raw))


def _close(raw: bytes, stack: list[_Open], level: int, end: int) -> None:
    """Close all parts below a level; the CR LF before a delimiter belongs to the delimiter."""
    while len(stack) > level + 1:
        part = stack.pop()
        stack[-1].children.append(part.closed(raw, end - 2))


def _next(raw: bytes, start: int, stack: list[_Open]) -> _Open:
    """The part whose header begins here."""
    if raw.startswith(b"\r\n", start):
        return _opened((), start + 2, _taken(stack))
    end = raw.find(b"\r\n\r\n", start, start + MAX_HEADER)
    if end < 0:
        if len(raw) - start > MAX_HEADER:
            raise FormError("mime-header", "too long")
        end = len(raw)
    if _BLANK_LINE.search(raw, start - 2, end):
        raise FormError("mime-header", "a blank line that is not empty")
    try:
        fields = split(raw[start:end].decode("ascii", "replace"))
    except FormError as error:
        raise FormError("mime-header", error.reason) from None
    return _opened(fields, min(end + 4, len(raw)), _taken(stack))


def _squeezed(line: bytes) -> bytes:
    """A line as relaxed signatures see it: what they do not cover must not tell parts apart."""
    return _BLANKS.sub(b" ", line).rstrip(b" ")


def _taken(stack: list[_Open]) -> tuple[bytes, ...]:
    return tuple(line for part in stack for line in part.delimiters)


def _opened(fields: tuple[Field, ...], start: int, taken: tuple[bytes, ...]) -> _Open:
    values: dict[str, str] = {}
    for each in fields:
        if each.key.startswith("content-"):
            if each.key in values:
                raise FormError("mime-header", f"{each.key} twice")
            values[each.key] = each.unfolded
    kind, parameters = content_type(values.get("content-type", ""))
    if not kind.startswith("multipart/"):
        return _Open(fields, kind, parameters, start)
    if values.get("content-transfer-encoding", "7bit").lower() not in UNCHANGED:
        raise FormError("mime-header", "an encoded multipart")
    boundary = parameters.get("boundary", "")
    if not 0 < len(boundary) <= MAX_BOUNDARY or boundary != boundary.strip():
        raise FormError("mime-boundary")
    line = _squeezed(b"--" + boundary.encode("ascii", "replace"))
    if line in taken or line + b"--" in taken:
        raise FormError("mime-boundary", "the same as an outer one")
    return _Open(fields, kind, parameters, start, (line, line + b"--"))


def trimmed(data: bytes) -> bytes:
    """Without blanks at line ends, which quoted-printable does not have (RFC 2045 6.7, rule 3).

    Relaxed signatures do not see them, and behind a `=` they would break a line in two.
    """
    return b"\r\n".join(line.rstrip(b" \t") for line in data.split(b"\r\n"))


def content_type(value: str) -> tuple[str, dict[str, str]]:
    """A Content-Type as lower-case type and parameters; empty means text/plain (RFC 2045 5.2).

    Raises FormError `content-type` when it has no type, is too long, or says a parameter twice.
    """
    if len(value) > MAX_TYPE:
        raise FormError("content-type", "too long")
    if not value:
        return "text/plain", {}
    if "(" in value and '"' not in value:
        value = _COMMENT.sub(" ", value)
    match = _TYPE.match(value)
    if match is None:
        raise FormError("content-type")
    parameters: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(value, match.end()):
        key = name.lower()
        if key in parameters:
            raise FormError("content-type", f"{key} twice")
        if key.startswith("boundary*"):  # RFC 2231 has two ways to write one, readers know either
            raise FormError("content-type", "a boundary in pieces")
        if key:
            parameters[key] = re.sub(r"\\(.)", r"\1", quoted) if quoted else token
    return f"{match[1]}/{match[2]}".lower(), parameters
