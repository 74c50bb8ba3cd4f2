"""An unsigned Content-Transfer-Encoding: whether it could make a signed body say something else."""

from __future__ import annotations

import binascii
import re
from dataclasses import replace

from housecarl.folding import EDGES, unreadable
from housecarl.message.part import UNCHANGED, trimmed
from housecarl.trust.leading import mark
from housecarl.trust.original import Original

#: The field that hardly any mail host signs; Google does not.
NAME = b"content-transfer-encoding"

_QUOTED = "quoted-printable"
#: Its lines put together. Of text it begins with a letter or a digit, and no symbol is one: as it
#: stands it holds no command.
_BASE64 = re.compile(rb"[A-Za-z0-9][A-Za-z0-9+/]*+={0,2}")

_LOST = r"\ufffd\x00-\x08\x0e-\x1f\x7f-\x9f"
#: A symbol, or what begins a page, and a name: they can be read, and so can what stands behind.
_NAMED = re.compile(rf"[^\w\s{_LOST}]\s*!?[A-Za-z0-9_-]++(?![{_LOST}])")

#: Columns; a line that quoted-printable broke had no room for more within these (it breaks at 76,
#: before a character of up to 12).
BROKEN = 60

#: What no encoder leaves as it is: `=`, what is not ASCII, line ends, a blank at the end of a line;
#: and at the start of one a dot and the F of "From", which old servers change, and a "!", which
#: EBCDIC does not have (RFC 2045 6.7).
_NEEDED = re.compile(
    rb"=(?:3D|[89A-F][0-9A-F]|0[AD]|(?:20|09)(?==?[ \t]*(?:\r\n|\Z)))|(?m:^)=(?:21|2E|46)"
)
#: A line that goes on in the next one.
_SOFT = re.compile(rb"=[ \t]*\r\n")


def is_harmless(original: Original) -> bool:
    """Whether the body of a whole message says the same whatever encoding somebody wrote there.

    Or else could not be meant in another one. A command that holds `=41` or ends in `=` may have
    been typed like that: where it is not clear which it is, the answer is no. Of a multipart the
    form gate takes no encoding that would change it.
    """
    root = original.root
    if not root.type.startswith("text/"):
        return True
    told = root.header(NAME.decode()).lower()
    is_base64 = _is_base64(root.body)
    if told == "base64":
        return is_base64 or not root.body.strip()
    if told not in ("", *UNCHANGED, _QUOTED) or (is_base64 and _encodes_command(original)):
        return False  # nobody could read the command, and one in the subject would count instead
    # what costs little first: the text is read only where these do not tell
    if b"=" not in root.body or (told == _QUOTED and _is_quoted(root.body)):
        return True
    plain = trimmed(root.body)
    decoded = binascii.a2b_qp(plain)
    return decoded == plain or _commands(original, plain) == _commands(original, decoded)


def _is_base64(body: bytes) -> bool:
    """Whether it stands there as encoders write it, without blanks within a line."""
    lines = body.strip().split(b"\r\n")
    return _BASE64.fullmatch(b"".join(line.rstrip(b" \t") for line in lines)) is not None


def _encodes_command(original: Original) -> bool:
    """Whether the body would begin with a command, were it base64.

    Also in UTF-8, as whoever wrote the encoding may have written the charset too, in which some of
    the command cannot be read. What was no base64 can hardly be read at all.
    """
    root = original.root
    try:
        body = binascii.a2b_base64(root.body)
    except ValueError:
        return False
    for parameters in (root.parameters, {**root.parameters, "charset": "utf-8"}):
        decoded = replace(root, fields=(), parameters=parameters, body=body)
        for line in original.commands(decoded)[:1]:
            named = not unreadable(line) or _NAMED.match(line.strip(EDGES))
            if named and not mark(line).isalnum():
                return True
    return False


def _commands(original: Original, body: bytes) -> list[str]:
    """What may be commands when that is the decoded body."""
    return original.commands(replace(original.root, fields=(), body=body))


def _is_quoted(body: bytes) -> bool:
    """Whether every `=` stands where quoted-printable needs one, so that nobody typed it."""
    lines = _SOFT.split(body)
    broken = (line.rpartition(b"\r\n")[2] for line in lines[:-1])
    # how many blanks stand in a row is not signed by most
    if any(len(b" ".join(line.split())) < BROKEN for line in broken):
        return False
    return all(b"=" not in _NEEDED.sub(b"", line) for line in lines)
