"""The name of a message, which its file keeps for life, and the id in it."""

from __future__ import annotations

import itertools
import secrets
from datetime import UTC, datetime

#: What the ids of this process begin with; another process and another life begin elsewhere.
_COUNT = itertools.count(secrets.randbelow(0x10000))


def make_name(arrived: datetime) -> str:
    """A new name for life: arrival time, so that names sort, and 16 hex digits, the id.

    The first four digits of the id count, the others are random. So what a person types of an id
    tells 65,536 messages of one life apart, and neighbours in time are neighbours in the journal.
    """
    identity = f"{next(_COUNT) % 0x10000:04x}{secrets.token_hex(6)}"
    when = arrived.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{when.replace('-', '').replace(':', '')}-{identity}.eml"


def id_of(name: str) -> str:
    """The id in a file name: its 16 hex digits."""
    return name.rpartition("-")[2].partition(".")[0]
