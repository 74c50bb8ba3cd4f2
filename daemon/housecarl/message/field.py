"""Header fields as they stand in the bytes: their names, raw values and readable text."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from housecarl.errors import FormError
from housecarl.message.charset import decode

#: RFC 5322 2.2: a name is printable ASCII without a colon, and its colon follows at once
_FIELD = re.compile(r"([!-9;-~]{1,200}):(.*)", re.DOTALL)
_FOLD = re.compile(r"\r\n(?=[ \t])")

#: RFC 2047 2: an encoded word; no question mark or blank inside keeps the search linear
_WORD = re.compile(r"=\?([A-Za-z0-9!#$%&'+^_`{}~.*-]{1,60})\?([bBqQ])\?([!->@-~]{0,998})\?=")
#: white space between two encoded words is not shown (RFC 2047 6.2)
_BETWEEN = re.compile(r"(?<=\?=)[ \t\r\n]{1,998}(?==\?)")
#: what would end a line or a string in some program further on
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: a Message-ID, as RFC 5322 3.6.4 writes it or nearly so; our longest at the longest domain fits
MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,400}>")


class Field(NamedTuple):
    """One header field: its name, all that follows the colon, and the name for comparing.

    `value` has its folds; `key` is the name in lower case.
    """

    name: str
    value: str
    key: str

    @property
    def unfolded(self) -> str:
        """The value on one line, without the blanks around it."""
        return _FOLD.sub("", self.value).strip(" \t")


def split(block: str) -> tuple[Field, ...]:
    """The fields of a header block (CR LF lines, no empty line), in order.

    Raises FormError `header-start` when it begins with a continuation and `header-line` when a line
    is neither a field nor a continuation.
    """
    return tuple(_fields(block.removesuffix("\r\n"))) if block else ()


def _fields(block: str) -> Iterator[Field]:
    if block[0] in " \t":
        raise FormError("header-start")
    # a fold is not the end of a field: split only where the next line begins at its left edge
    for number, line in enumerate(re.split(r"\r\n(?![ \t])", block), 1):
        match = _FIELD.fullmatch(line)
        if match is None:
            raise FormError("header-line", f"field {number}")
        yield Field(match[1], match[2], match[1].lower())


def topmost(fields: Sequence[Field]) -> dict[str, Field]:
    """Of each key the field that stands first, which is the newest."""
    return {each.key: each for each in reversed(fields)}


def readable(value: str) -> str:
    """A value as a person reads it: encoded words decoded (RFC 2047), one line, no controls."""
    joined = _BETWEEN.sub("", _FOLD.sub("", value))
    return _CONTROL.sub(" ", _WORD.sub(_decoded, joined)).strip()


def encoded_words(value: str) -> tuple[str, ...]:
    """What each encoded word of a value says."""
    return tuple(_decoded(match) for match in _WORD.finditer(value))


def _decoded(match: re.Match[str]) -> str:
    """One encoded word as text; the word itself when it cannot be decoded."""
    name, encoding, text = match[1].partition("*")[0], match[2], match[3]
    try:
        if encoding in "bB":
            data = binascii.a2b_base64(text + "=" * (-len(text) % 4))
        else:
            data = binascii.a2b_qp(text, header=True)
    except ValueError:
        return match[0]
    return decode(data, name)


def identifiers(value: str) -> tuple[str, ...]:
    """The message ids in a value such as References, each with its angle brackets."""
    return tuple(MESSAGE_ID.findall(value))
