"""The one address a From field may hold: a plain ASCII addr-spec, read in one way only."""

from __future__ import annotations

import re
from typing import NamedTuple

from housecarl.errors import FormError
from housecarl.message.field import encoded_words, readable

#: octets of a From value; 998 is the longest line of RFC 5322
MAX_VALUE = 998
#: RFC 5321 4.5.3.1: 64 for the local part, 254 for an address
MAX_LOCAL, MAX_ADDRESS = 64, 254

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SPEC = rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)"
_BARE = re.compile(_SPEC)
#: a display name: atoms (dots allowed, as everybody writes "J. Doe") and quoted strings
_INSIDE = r"[^\"\\]*+(?:\\.[^\"\\]*+)*"
_PHRASE = rf"(?:(?:[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.-]++|\"{_INSIDE}\")[ \t]*+)*"
_NAMED = re.compile(rf"({_PHRASE})<{_SPEC}>")
_QUOTED = re.compile(rf"\"({_INSIDE})\"")

#: an encoded word in a display name that says one of these is there to be taken for an address
_TRICK = re.compile("[@<>\x00-\x1f\x7f\ufffd]")


class From(NamedTuple):
    """A From field: the address with its domain in lower case, and the display name as shown."""

    address: str
    name: str = ""


def parse(value: str) -> From:
    """The sender a From value names (RFC 5322 3.4 without its obsolete and its clever forms).

    Raises FormError `from`: comments, groups, routes, lists, quoted local parts, domain literals,
    anything but ASCII, and encoded words that spell an address are all refused.
    """
    if len(value) > MAX_VALUE:
        raise FormError("from", "too long")
    named = _NAMED.fullmatch(value)
    bare = None if named else _BARE.fullmatch(value)
    if named is not None:
        name, local, domain = named[1].strip(" \t"), named[2], named[3]
    elif bare is not None:
        name, local, domain = "", bare[1], bare[2]
    else:
        raise FormError("from", "not one plain address")
    if len(local) > MAX_LOCAL or len(local + domain) >= MAX_ADDRESS:
        raise FormError("from", "too long")
    if "=?" in local:
        raise FormError("from", "encoded word in the address")
    return From(f"{local}@{domain.lower()}", _shown(name))


def is_plain(text: str) -> bool:
    """Whether a text is one plain address and nothing else."""
    return len(text) <= MAX_ADDRESS and _BARE.fullmatch(text) is not None


def _shown(name: str) -> str:
    if any(_TRICK.search(word) for word in encoded_words(name)):
        raise FormError("from", "encoded word that spells an address")
    plain = _QUOTED.sub(lambda match: re.sub(r"\\(.)", r"\1", match[1]), name)
    return readable(plain)
