"""The name of a message, which its file keeps for life: when it arrived, and its id."""

from __future__ import annotations

import itertools
import re
import secrets
from datetime import UTC, datetime

#: What the ids of this process begin with; another process and another life begin elsewhere.
_COUNT = itertools.count(secrets.randbelow(0x10000))

_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6})-[0-9a-f]{16}\.eml")


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


def arrival_of(name: str) -> float | None:
    """When the message of this name arrived, seconds since 1970; None for a name not of ours."""
    found = _NAME.fullmatch(name)
    try:
        return None if found is None else datetime.fromisoformat(f"{found[1]}+00:00").timestamp()
    except ValueError:
        return None
