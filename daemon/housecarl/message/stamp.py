"""The stamp: what a door saw of a message, kept as the first line of its file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, unquote

HEADER = b"X-Housecarl-Stamp: v1; "

#: A stamp line is one header line; ours stay far below this many bytes.
MAX_BYTES = 4096


class Stamp(NamedTuple):
    """What a door vouches for; an empty field was not seen by that door.

    `door` is smtp, imap, drop, try or job. `arrived` is the door's own clock in UTC (for IMAP the
    server's INTERNALDATE is in `internal`). `key` is the door's own name for the message where the
    message brings none (a dropped file, AUTH without a Message-ID). `rcpt_to` are the addresses of
    the envelope, joined by commas. `login` is the person an SMTP AUTH proved, `uid` the owner of a
    dropped file, `as_person` whom its first line names.
    """

    door: str
    arrived: datetime
    key: str = ""
    peer: str = ""
    helo: str = ""
    mail_from: str = ""
    rcpt_to: str = ""
    tls: str = ""
    login: str = ""
    uid: str = ""
    as_person: str = ""
    imap: str = ""
    internal: str = ""

    @property
    def local(self) -> bool:
        """Whether it is a note of a user of this machine, who is known by the uid."""
        return self.door in ("drop", "try", "job")

    def line(self) -> bytes:
        """The stamp as one header line with CR LF; every value is percent-encoded."""
        parts = [f"door={_quoted(self.door)}"]
        parts.append(f"arrived={self.arrived.astimezone(UTC).isoformat()}")
        for name in _TEXTS:
            value = getattr(self, name)
            if value:
                parts.append(f"{name}={_quoted(value)}")
        return HEADER + "; ".join(parts).encode() + b"\r\n"


#: What a stored file holds: the stamp, None without one, and the message below it.
Stored = tuple[Stamp | None, bytes]


def _quoted(value: str) -> str:
    """Percent-encoded where it must be, which is rare, and quote() takes its time to see that."""
    return value if _SAFE.fullmatch(value) else quote(value, safe="@<>:/+.-_~")


_SAFE = re.compile(r"[A-Za-z0-9@<>:/+._~-]*")
_TEXTS = tuple(name for name in Stamp._fields if name not in ("door", "arrived"))


def split(stored: bytes) -> Stored:
    """What the bytes of a stored file hold; without a stamp line all of them are the message.

    Only for files under the configured spool: anywhere else a first line proves nothing.
    """
    if not stored.startswith(HEADER):
        return None, stored
    end = stored.find(b"\r\n", 0, MAX_BYTES)
    if end < 0:
        return None, stored
    values: dict[str, str] = {}
    for part in stored[len(HEADER) : end].decode("ascii", "replace").split("; "):
        name, _, value = part.partition("=")
        values[name] = unquote(value)
    try:
        arrived = datetime.fromisoformat(values.pop("arrived"))
        door = values.pop("door")
    except (KeyError, ValueError):
        return None, stored
    known = {name: values[name] for name in _TEXTS if name in values}
    return Stamp(door=door, arrived=arrived, **known), stored[end + 2 :]
