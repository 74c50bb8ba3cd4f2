"""One signature: a DKIM-Signature, ARC-Message-Signature or ARC-Seal, read and then checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from housecarl.trust import tags
from housecarl.trust.key import Key
from housecarl.trust.original import Field, Original
from housecarl.trust.tags import Tags, Unsound

#: Names in one h= list: the longest seen in real mail has about 60; dkimpy's time grows with it.
MAX_COVERED = 128

#: How far the clock of a signer or of a hop may run ahead of ours, in seconds.
CLOCK_SLACK = 600

_ALGORITHMS = {b"rsa-sha256": b"rsa", b"ed25519-sha256": b"ed25519"}
_CANON = (b"simple", b"relaxed")


class Signature(NamedTuple):
    """What one signature field says; times are seconds since 1970, `covers` lower-case names."""

    field: Field
    tags: Tags
    domain: str
    selector: str
    covers: tuple[bytes, ...]
    value: bytes
    signed: int | None
    expires: int | None

    @property
    def name(self) -> str:
        """Where DNS keeps its key."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def key(self) -> str:
        """What marks a repeat: a hash over who signed and the signature itself."""
        return hashlib.sha256(self.domain.encode() + b"\0" + self.value).hexdigest()

    def covered(self, original: Original, name: bytes) -> bool:
        """Whether every field of that name is signed, so that none could be put on top."""
        return self.covers.count(name) >= len(original.all(name))


def read(field: Field) -> Signature:
    """Read what every kind of signature has in common; Unsound names what is wrong."""
    found = tags.read(field.value)
    if found.get(b"a") not in _ALGORITHMS:
        raise Unsound("algorithm")
    covers = tuple(found[b"h"].lower().split(b":")) if b"h" in found else ()
    if len(covers) > MAX_COVERED:
        raise Unsound("syntax")
    return Signature(
        field,
        found,
        tags.domain(found),
        tags.selector(found),
        covers,
        tags.octets(found, b"b"),
        tags.number(found, b"t"),
        tags.number(found, b"x"),
    )


def check_time(signature: Signature, now: datetime) -> None:
    """Unsound("expired") after x=, Unsound("future") when t= is ahead of us."""
    moment = now.timestamp()
    if signature.signed is not None and signature.signed > moment + CLOCK_SLACK:
        raise Unsound("future")
    if signature.expires is None:
        return
    if signature.signed is not None and signature.expires < signature.signed:
        raise Unsound("syntax")
    if signature.expires <= moment:
        raise Unsound("expired")


def check_body(signature: Signature, original: Original, default: bytes) -> None:
    """Unsound("body") when bh= is not the hash of this body; l= never counts."""
    if b"l" in signature.tags:
        raise Unsound("length-tag")
    header, _, body = signature.tags.get(b"c", default).partition(b"/")
    body = body or b"simple"
    if header not in _CANON or body not in _CANON:
        raise Unsound("canonicalization")
    if tags.octets(signature.tags, b"bh") != original.body_hash(body):
        raise Unsound("body")


def check_value(
    signature: Signature, key: Key, fields: Sequence[Field], covers: Sequence[bytes], default: bytes
) -> None:
    """Unsound("signature") when b= was not made with this key over these fields.

    dkimpy canonicalizes, hashes and does the arithmetic. It is called below its own reading of
    the tags, whose clock cannot be set and which lets pass what `read` and `key.read` refuse;
    `bh` is left out because `check_body` has compared it in linear time.
    """
    import dkim

    if _ALGORITHMS[signature.tags[b"a"]] != key.kind:
        raise Unsound("algorithm")
    _check_range(signature, key)
    verifier = dkim.DKIM()
    verifier.headers = [(each.name, each.value) for each in fields]
    asked = {b"a": signature.tags[b"a"], b"b": signature.tags[b"b"], b"d": b"", b"s": b""}
    asked[b"c"] = signature.tags.get(b"c", default)
    header = (signature.field.name, signature.field.value)
    try:
        sound = verifier.verify_sig(asked, list(covers), header, lambda *_, **__: key.record)
    except (dkim.DKIMException, ValueError, TypeError, AssertionError, LookupError):
        sound = False
    if sound is not True:
        raise Unsound("signature")


def _check_range(signature: Signature, key: Key) -> None:
    """An RSA value is as long as the modulus and below it: else a repeat could look new."""
    if key.kind != b"rsa":
        return
    if len(signature.value) != (key.bits + 7) // 8:
        raise Unsound("signature")
    if int.from_bytes(signature.value) >= key.modulus:
        raise Unsound("signature")
