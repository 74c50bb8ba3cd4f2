"""How a plug of the Kasa generation speaks: the XOR cipher and the four-byte length in front of it.

Written apart from what the daemon uses, on purpose: a shared mistake would hide itself.
"""

from __future__ import annotations

import json
import struct
from typing import Any

#: the first key of the autokey cipher
FIRST_KEY = 171
#: bytes; the receive buffer of a plug of the first hardware version
BUFFER = 92_160


def encrypt(plain: bytes) -> bytes:
    """Each byte is XORed with the cipher byte before it."""
    key = FIRST_KEY
    cipher = bytearray()
    for byte in plain:
        key ^= byte
        cipher.append(key)
    return bytes(cipher)


def decrypt(cipher: bytes) -> bytes:
    """The opposite of `encrypt`."""
    keys = bytes([FIRST_KEY]) + cipher[:-1]
    return bytes(key ^ byte for key, byte in zip(keys, cipher, strict=True)) if cipher else b""


def framed(plain: bytes) -> bytes:
    """What goes over TCP: big-endian length of the plain text, then the cipher text."""
    return struct.pack(">I", len(plain)) + encrypt(plain)


def first_object(plain: bytes) -> dict[str, Any] | None:
    """The first JSON object of a request; what follows it is ignored, as the plug's parser does."""
    try:
        value, _ = json.JSONDecoder().raw_decode(plain.decode("utf-8", "replace").lstrip())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def compact(value: dict[str, Any]) -> bytes:
    """JSON without blanks, as a plug writes it."""
    return json.dumps(value, separators=(",", ":")).encode()
