"""A message as signatures see it: raw fields in order and the raw body, nothing decoded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from housecarl.errors import FormError
from housecarl.message import google_voice
from housecarl.message.form import Form
from housecarl.message.mail import typed
from housecarl.message.part import Part
from housecarl.message.voice_text import texted
from housecarl.trust.leading import leading

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


class Original:
    """A message that passed the gate, in the gate's own reading, as it was signed.

    Who is proved by a login or a file's owner hardly ever needs it: it is made when asked for.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._hashes: dict[bytes, bytes] = {}
        self._answers: dict[Callable[[Original], bool], bool] = {}

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The header fields, topmost first."""
        fields = self._form.fields
        return tuple(Field(each.name.encode(), each.value.encode() + b"\r\n") for each in fields)

    @cached_property
    def body(self) -> bytes:
        """All behind the header."""
        return self._form.raw[self._form.body :]

    def all(self, name: bytes) -> tuple[Field, ...]:
        """The fields of that (lower-case) name, topmost first."""
        return tuple(each for each in self.fields if each.key == name)

    def only(self, name: bytes) -> Field | None:
        """The one field of that name; None when there is none, or more than one."""
        found = self.all(name)
        return found[0] if len(found) == 1 else None

    @property
    def root(self) -> Part:
        """The whole message as a part, as it was read."""
        return self._form.root

    def commands(self, root: Part) -> list[str]:
        """What may be commands, were that the whole message: a text is not read as a mail is."""
        read = texted if google_voice.is_one(self._form) else typed
        try:
            return leading(read(root))
        except FormError:
            return []

    def says(self, ask: Callable[[Original], bool]) -> bool:
        """What `ask` finds of the body as the reader takes it, asked once.

        Each signature wants to know it, whoever wrote them; to read 240 KiB of HTML takes 50 ms.
        """
        if ask not in self._answers:
            self._answers[ask] = ask(self)
        return self._answers[ask]

    def body_hash(self, canonicalization: bytes) -> bytes:
        """SHA-256 of the body, `simple` or `relaxed` (RFC 6376 3.4), made once."""
        if canonicalization not in self._hashes:
            canonical = (
                _relaxed(self.body) if canonicalization == b"relaxed" else _simple(self.body)
            )
            self._hashes[canonicalization] = hashlib.sha256(canonical).digest()
        return self._hashes[canonicalization]

    def content_hash(self, canonicalization: bytes) -> str:
        """What a repeat has in common: From, Date, Subject, blanks aside, and the body; in hex."""
        digest = hashlib.sha256(self.body_hash(canonicalization))
        for name in (b"from", b"date", b"subject"):
            for field in self.all(name):
                digest.update(name + b":" + b" ".join(field.value.split()) + b"\0")
        return digest.hexdigest()


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
