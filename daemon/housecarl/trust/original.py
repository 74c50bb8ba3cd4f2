"""A message as signatures see it: raw fields in order and the raw body, nothing decoded."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from housecarl.message.form import Form

_BLANKS = re.compile(rb"[\t ]+")


class Field(NamedTuple):
    """One header field; `value` is all after the colon, folds and final CR LF kept."""

    name: bytes
    value: bytes

    @property
    def key(self) -> bytes:
        """The name in lower case."""
        return self.name.lower()

    @property
    def text(self) -> str:
        """The value unfolded, as ASCII; what is not ASCII shows as U+FFFD."""
        return re.sub(rb"\r\n(?=[ \t])", b"", self.value).strip().decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class Original:
    """The fields, topmost first, and the body; `hashes` keeps the body hashes made so far."""

    fields: tuple[Field, ...]
    body: bytes
    hashes: dict[bytes, bytes] = field(default_factory=dict, compare=False)

    def all(self, name: bytes) -> tuple[Field, ...]:
        """The fields of that (lower-case) name, topmost first."""
        return tuple(each for each in self.fields if each.key == name)

    def only(self, name: bytes) -> Field | None:
        """The one field of that name; None when there is none, or more than one."""
        found = self.all(name)
        return found[0] if len(found) == 1 else None

    def body_hash(self, canonicalization: bytes) -> bytes:
        """SHA-256 of the body, `simple` or `relaxed` (RFC 6376 3.4), made once."""
        if canonicalization not in self.hashes:
            canonical = (
                _relaxed(self.body) if canonicalization == b"relaxed" else _simple(self.body)
            )
            self.hashes[canonicalization] = hashlib.sha256(canonical).digest()
        return self.hashes[canonicalization]


def opened(form: Form) -> Original:
    """The message that passed the gate, in the gate's own reading, as it was signed."""
    fields = (Field(f.name.encode(), f.value.encode() + b"\r\n") for f in form.fields)
    return Original(tuple(fields), form.raw[form.body :])


def _simple(body: bytes) -> bytes:
    """RFC 6376 3.4.3: no empty lines at the end, one CR LF."""
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n"


def _relaxed(body: bytes) -> bytes:
    """RFC 6376 3.4.4, in linear time: dkimpy's own takes minutes on a line of blanks."""
    squeezed = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n")
    stripped = _simple(squeezed)
    return b"" if stripped == b"\r\n" else stripped
