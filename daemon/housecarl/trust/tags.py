"""The tag=value lists of signatures and key records (RFC 6376 3.2), read strictly and bounded."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from housecarl.message.form import MAX_SIGNATURE

#: Blanks in a row: folding needs a few; dkimpy's search for b= takes seconds on a long run.
MAX_BLANKS = 64

_RUN = re.compile(rb"[ \t\r\n]{%d}" % (MAX_BLANKS + 1))
_BLANK = re.compile(rb"[ \t\r\n]+")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(rb"[!-:<-~ \t\r\n]*")
_NUMBER = re.compile(rb"[0-9]{1,12}")
_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{1,62}"
)
_SELECTOR = re.compile(r"(?=.{1,190}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")

Tags = Mapping[bytes, bytes]


class Unsound(ValueError):
    """A signature, key or chain that may not count; the text is one stable word with dashes."""


def read(value: bytes, limit: int = MAX_SIGNATURE) -> Tags:
    """Tag names to values without any blanks; Unsound("syntax") when it is not such a list."""
    if len(value) > limit or _RUN.search(value):
        raise Unsound("syntax")
    specs = value.strip().split(b";")
    if not specs[-1].strip():
        specs.pop()
    tags: dict[bytes, bytes] = {}
    for spec in specs:
        name, equals, content = spec.partition(b"=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name) or name in tags or not _VALUE.fullmatch(content):
            raise Unsound("syntax")
        tags[name] = _BLANK.sub(b"", content)
    return tags


def domain(tags: Tags) -> str:
    """The d= tag in lower case; Unsound("domain") when it is no name of a domain."""
    text = tags.get(b"d", b"").decode("ascii", "replace").lower()
    if not _DOMAIN.fullmatch(text):
        raise Unsound("domain")
    return text


def selector(tags: Tags) -> str:
    """The s= tag in lower case; Unsound("selector") when DNS could not hold it."""
    text = tags.get(b"s", b"").decode("ascii", "replace").lower()
    if not _SELECTOR.fullmatch(text):
        raise Unsound("selector")
    return text


def number(tags: Tags, name: bytes) -> int | None:
    """A decimal tag, None when absent; Unsound("syntax") for anything else."""
    if name not in tags:
        return None
    if not _NUMBER.fullmatch(tags[name]):
        raise Unsound("syntax")
    return int(tags[name])


def octets(tags: Tags, name: bytes) -> bytes:
    """A base64 tag decoded; Unsound("syntax") when it is missing, empty or not base64."""
    try:
        decoded = base64.b64decode(tags.get(name, b""), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise Unsound("syntax")
    return decoded
