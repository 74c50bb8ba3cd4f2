"""Public keys as DNS publishes them (RFC 6376 3.6.1, RFC 8463), each with a bound."""

from __future__ import annotations

from typing import NamedTuple

from housecarl.trust import tags
from housecarl.trust.tags import Unsound

#: A record, in bytes: a 4096-bit key needs about 800.
MAX_RECORD = 1024

#: RSA modulus in bits: shorter ones can be factored, a 32768-bit one takes a minute to check.
MIN_BITS, MAX_BITS = 1024, 4096

#: RSA exponents in use are 3 to 65537; time grows with its length.
MAX_EXPONENT = 1 << 32

#: An ed25519 key is 32 bytes (RFC 8463 4).
ED25519_BYTES = 32


class Key(NamedTuple):
    """A key fit for use: `kind` rsa or ed25519, `bits`, and `strict` when i= must equal d=."""

    kind: bytes
    bits: int
    strict: bool
    record: bytes
    modulus: int = 0


def read(records: tuple[bytes, ...]) -> Key:
    """The key among a name's TXT records; Unsound(key-gone, -form, -use, -test or -size)."""
    record = _chosen(records)
    try:
        found = tags.read(record, MAX_RECORD)
    except Unsound:
        raise Unsound("key-form") from None
    if found.get(b"v", b"DKIM1") != b"DKIM1":
        raise Unsound("key-form")
    if not found.get(b"p"):
        raise Unsound("key-gone")
    flags = found.get(b"t", b"").split(b":")
    if b"y" in flags:
        raise Unsound("key-test")
    _usable(found)
    kind = found.get(b"k", b"rsa")
    clean = b"k=" + kind + b"; p=" + found[b"p"]
    material = _material(found)
    if kind == b"ed25519":
        if len(material) != ED25519_BYTES:
            raise Unsound("key-form")
        return Key(kind, 256, b"s" in flags, clean)
    if kind != b"rsa":
        raise Unsound("key-form")
    modulus = _modulus(material)
    return Key(kind, modulus.bit_length(), b"s" in flags, clean, modulus)


def _chosen(records: tuple[bytes, ...]) -> bytes:
    """The one record that can be a key; other TXT records may share the name by a wildcard."""
    fitting = [each for each in records if b"p=" in each.replace(b" ", b"")]
    if not fitting:
        raise Unsound("key-gone")
    if len(fitting) > 1:
        raise Unsound("key-form")
    return fitting[0]


def _usable(found: tags.Tags) -> None:
    hashes, services = found.get(b"h"), found.get(b"s", b"*").split(b":")
    if hashes is not None and b"sha256" not in hashes.lower().split(b":"):
        raise Unsound("key-use")
    if b"*" not in services and b"email" not in services:
        raise Unsound("key-use")


def _material(found: tags.Tags) -> bytes:
    try:
        return tags.octets(found, b"p")
    except Unsound:
        raise Unsound("key-form") from None


def _modulus(der: bytes) -> int:
    from dkim.crypto import UnparsableKeyError, parse_public_key

    try:
        parsed = parse_public_key(der)
    except (UnparsableKeyError, AssertionError, LookupError, TypeError, ValueError):
        raise Unsound("key-form") from None
    modulus, exponent = int(parsed["modulus"]), int(parsed["publicExponent"])
    if not MIN_BITS <= modulus.bit_length() <= MAX_BITS:
        raise Unsound("key-size")
    if not (3 <= exponent <= MAX_EXPONENT and exponent % 2 and modulus % 2):
        raise Unsound("key-size")
    return modulus
