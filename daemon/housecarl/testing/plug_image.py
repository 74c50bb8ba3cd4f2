"""Firmware images for a simulated plug: built, signed with a test key, checked as a plug does."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

MAGIC = bytes.fromhex("55aa4c5e831f534ba1f8f7c918df8fbf7da1aa55")
#: vendor indexes for which a plug holds a key
KEY_INDEXES = (0, 1, 2, 53)
#: bytes; what the flash partition of the first hardware version takes
PARTITION = 0x3D0000
#: bytes; the RAM buffer an image is downloaded into
DOWNLOAD_BUFFER = 0x400000
VERSION = re.compile(rb"\d+\.\d+\.\d+ Build \d{6} Rel\.\w+")

_SIGNATURE = slice(32, 160)
_SHA1_DIGEST_INFO = bytes.fromhex("3021300906052b0e03021a05000414")


@dataclass(frozen=True, slots=True)
class Key:
    """An RSA key of 1024 bits; `secret` is the private exponent."""

    modulus: int
    secret: int
    exponent: int = 65537


#: made for tests; no vendor ever used it
TEST_KEY = Key(
    int(
        "bb683dbb6f45a5c44647c849bc4d437960b33a6175408b40e022ee44cf61bfdd"
        "1974f3dfc745f941f95718b511e4ead3c67140cc095ac06864469963268c164f"
        "63909ff5acff17306e6bee2e96eae5f1fb56ff3cd091d0a27df7764360cfd485"
        "481416c564b15bce9289d71bb6749902e519748580ceeba5c35804210404acfd",
        16,
    ),
    int(
        "209ad032adf74611d1d0674e3cce8c70af9c3f09f9a65313e46aef5d555f424c"
        "2b43a7b2452f2d60870ada279687673b9508db2724717f8c29f60675b39d27bc"
        "37f48bba4f4c52f5059a5b36be083a70530bf8164a82ce89ecd451c420d89a8f"
        "32a47e20666019c7dacf8fd3c32a2d12597319c7202ddb42a0a465a353636e01",
        16,
    ),
)


def _padded(image: bytes) -> int:
    """PKCS#1 v1.5 over SHA-1 of the MD5 of the image without its signature."""
    bare = bytearray(image)
    bare[_SIGNATURE] = bytes(128)
    digest = hashlib.sha1(
        hashlib.md5(bare, usedforsecurity=False).digest(), usedforsecurity=False
    ).digest()
    tail = b"\0" + _SHA1_DIGEST_INFO + digest
    return int.from_bytes(b"\0\1" + b"\xff" * (128 - 2 - len(tail)) + tail, "big")


def make_image(
    hw_ids: Sequence[str],
    sw_ver: str,
    size: int = 524_456,
    *,
    key: Key = TEST_KEY,
    readable: bool = True,
) -> bytes:
    """A signed image of `size` bytes for plugs with one of `hw_ids` (32 hex digits each).

    `readable=False` hides the version from who reads the file, as an image of the first hardware
    version does; the simulated plug still finds it.
    """
    header = struct.pack(">HH", 0, 0x100) + MAGIC
    header += struct.pack(">HHHH", 0xB0 + 16 * len(hw_ids), 0, 0, 0) + bytes(128)
    header += struct.pack(">HH", len(hw_ids), 0) + b"\xff" * 12
    header += b"".join(bytes.fromhex(hw_id) for hw_id in hw_ids)
    text = sw_ver.encode() if readable else bytes(byte ^ 0x80 for byte in sw_ver.encode())
    image = bytearray(header + (text + b"\0").ljust(max(64, size - len(header)), b"\xa5"))
    image[_SIGNATURE] = pow(_padded(bytes(image)), key.secret, key.modulus).to_bytes(128, "little")
    return bytes(image)


def check_image(image: bytes, hw_id: str, key: Key = TEST_KEY) -> tuple[int, str] | None:
    """Error code and text of `flash_firmware` for this image, None when it is good."""
    if not image:
        return -5, "not enough memory"
    invalid = -19, "Firmware validate fail"
    if len(image) < 192 or image[4:24] != MAGIC:
        return invalid
    header_size, key_index = struct.unpack(">HH", image[24:28])
    signature = int.from_bytes(image[_SIGNATURE], "little")
    if key_index not in KEY_INDEXES or pow(signature, key.exponent, key.modulus) != _padded(image):
        return invalid
    (count,) = struct.unpack(">H", image[160:162])
    ids = [image[176 + 16 * i : 192 + 16 * i].hex().upper() for i in range(count)]
    if hw_id.upper() not in ids:
        return invalid
    if len(image) - header_size - 512 > PARTITION:
        return -20, "Firmware is too big"
    return None


def version_of(image: bytes) -> str | None:
    """The version text inside, also when it is hidden."""
    hidden = bytes(byte ^ 0x80 for byte in image[:4096])
    found = VERSION.search(image) or VERSION.search(hidden)
    return found.group().decode() if found else None
