"""What is asked for of a message in the mailbox, and where it stands in the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from housecarl.message.form import MAX_SIZE

#: Octets of a header block of From and Subject; what is longer is no mail of a phone.
MAX_HEADER = 16 * 1024

#: Nothing of a message is ever in a command: these, numbers and dates are all that is sent. Each
#: asks for one section of a message.
ABOUT = (
    *("FLAGS", "RFC822.SIZE", "INTERNALDATE"),
    f"BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]<0.{MAX_HEADER}>",
)
WHOLE = (f"BODY.PEEK[]<0.{MAX_SIZE + 1}>",)


def content(answer: Mapping[bytes, Any]) -> bytes | None:
    """The section that was asked for; None when the server gave none.

    It is known by being the only one: a server may name it in its own way, and Courier puts the
    names of the header fields in quotes (RFC 3501 has them as any strings).
    """
    return next((value for name, value in answer.items() if name.startswith(b"BODY[")), None)
