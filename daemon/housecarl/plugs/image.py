"""A firmware image file: what its header says, and whether the vendor signed it."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path
from typing import NamedTuple

from housecarl.errors import CommandError

#: bytes; smaller is no firmware, larger does not fit the plug's download buffer
SMALLEST, LARGEST = 100 * 1024, 4 * 1024 * 1024
#: bytes 4 to 23 of every image seen, of three hardware families
MAGIC = bytes.fromhex("55aa4c5e831f534ba1f8f7c918df8fbf7da1aa55")
#: more hardware ids than any image seen has (1), by far
MOST_IDS = 64
#: the public exponent of the vendor's keys
EXPONENT = 65537

_VERSION = re.compile(rb"\d+\.\d+\.\d+ Build \d{6} Rel\.\w+")
_MODEL = re.compile(rb'"model_name"\s*:\s*"([A-Za-z0-9()]{1,20})"')
_SIGNATURE = slice(32, 160)
_SHA1_DIGEST_INFO = bytes.fromhex("3021300906052b0e03021a05000414")


class ImageError(CommandError):
    """A file is no image we would send to a plug."""

    reason = "image"


class Image(NamedTuple):
    """One image file of `size` bytes; `hw_ids` are 32 upper-case hex digits each.

    `version` and `models` are what can be read inside; images of the first hardware version show
    neither.
    """

    file: str
    size: int
    hw_ids: tuple[str, ...]
    sha256: str
    version: str | None
    models: tuple[str, ...]


def read(folder: Path, file: str) -> tuple[Image, bytes]:
    """An image of the firmware folder and its bytes; blocks. ImageError says what is wrong."""
    if "/" in file or "\\" in file or file.startswith("."):
        raise ImageError("A firmware file is named without a folder.")
    path = folder / file
    try:
        if path.is_symlink() or not path.is_file():
            raise ImageError(f"There is no firmware file {_shown(file)}.")
        size = path.stat().st_size
        if not SMALLEST <= size <= LARGEST:
            raise ImageError(f"{_shown(file)} has {size} bytes: no firmware image.")
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{_shown(file)} cannot be read: {error.strerror}.") from None
    return parse(file, data), data


def parse(file: str, data: bytes) -> Image:
    """What the header of `data` says; all numbers are big-endian. Raises ImageError."""
    if not SMALLEST <= len(data) <= LARGEST:
        raise ImageError(f"{_shown(file)} has {len(data)} bytes: no firmware image.")
    if data[4:24] != MAGIC:
        raise ImageError(f"{_shown(file)} is not a TP-Link firmware image.")
    (header_size,) = struct.unpack(">H", data[24:26])
    (count,) = struct.unpack(">H", data[160:162])
    if not 1 <= count <= MOST_IDS or header_size != 0xB0 + 16 * count:
        raise ImageError(f"{_shown(file)} has a damaged header.")
    hw_ids = tuple(data[at : at + 16].hex().upper() for at in range(0xB0, header_size, 16))
    found = _VERSION.search(data)
    models = sorted({model.decode() for model in _MODEL.findall(data)})
    digest = hashlib.sha256(data).hexdigest()
    version = found.group().decode() if found else None
    return Image(file, len(data), hw_ids, digest, version, tuple(models))


def load_key(path: Path) -> int:
    """The modulus of the vendor's RSA key: a PEM file, or its hex digits. Blocks; ImageError."""
    try:
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        raise ImageError("The vendor key cannot be read; see the log.") from None
    if "BEGIN" not in text:
        digits = "".join(text.split())
        if re.fullmatch(r"[0-9A-Fa-f]{256}", digits):
            return int(digits, 16)
        raise ImageError("The vendor key is neither PEM nor 256 hex digits.")
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(text.encode())
    except ValueError:
        raise ImageError("The vendor key is no PEM public key.") from None
    if not isinstance(key, RSAPublicKey):
        raise ImageError("The vendor key is no RSA key.")
    return key.public_numbers().n


def signed(data: bytes, modulus: int) -> bool:
    """Whether the signature is the vendor's, checked as the plug does.

    RSA-1024, PKCS#1 v1.5 with SHA-1 over the MD5 of the file with zeroes for the signature, which
    is stored little-endian.
    """
    bare = bytearray(data)
    bare[_SIGNATURE] = bytes(128)
    md5 = hashlib.md5(bare, usedforsecurity=False).digest()
    tail = b"\0" + _SHA1_DIGEST_INFO + hashlib.sha1(md5, usedforsecurity=False).digest()
    expected = b"\0\1" + b"\xff" * (128 - 2 - len(tail)) + tail
    signature = int.from_bytes(data[_SIGNATURE], "little")
    return pow(signature, EXPONENT, modulus) == int.from_bytes(expected, "big")


def _shown(file: str) -> str:
    """A file name short enough for one SMS."""
    plain = "".join(c if c.isprintable() and c.isascii() else "?" for c in file)
    return plain if len(plain) <= 40 else f"{plain[:38]}.."
