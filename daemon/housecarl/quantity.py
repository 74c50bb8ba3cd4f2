"""Durations and sizes as people write them: `30s`, `5m`, `2h`, `3d`; `64K`, `1M`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

KIB = 1024
MIB = 1024 * KIB

_SECONDS = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY}
_BYTES = {"": 1, "K": KIB, "M": MIB, "G": 1024 * MIB}

#: Nine digits of them: no size in bytes that would overflow a C int64.
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_SIZE = re.compile(r"([0-9]{1,9})([KMG])")

#: Seconds (30 years): no date and no timer that would overflow.
LONGEST = 30 * 365 * DAY


def seconds(value: object) -> int:
    """`"5m"` -> 300; 0 needs no unit. ValueError says what to write instead."""
    if str(value) == "0":
        return 0
    if found := _DURATION.fullmatch(str(value)):
        count = int(found[1]) * _SECONDS[found[2]]
        if count > LONGEST:
            raise ValueError(f"{value} is longer than {duration(LONGEST)}, which are 30 years")
        return count
    if re.fullmatch(r"[0-9]{1,9}", str(value)):
        raise ValueError(f"{value} of what? Give a unit: {value}s, {value}m, {value}h or {value}d")
    raise ValueError(f"'{value}' is no duration; write 30s, 5m, 2h or 3d")


def octets(value: object) -> int:
    """`"256K"` -> 262144; 0 needs no unit. ValueError says what to write instead."""
    if str(value) == "0":
        return 0
    if found := _SIZE.fullmatch(str(value)):
        return int(found[1]) * _BYTES[found[2]]
    if re.fullmatch(r"[0-9]{1,9}", str(value)):
        raise ValueError(f"{value} of what? Give a unit: {value}K, {value}M or {value}G")
    raise ValueError(f"'{value}' is no size; write 256K, 64M or 1G")


def duration(count: int) -> str:
    """300 -> `"5m"`: the largest unit that divides it."""
    return _largest(count, _SECONDS)


def size(count: int) -> str:
    """262144 -> `"256K"`: the largest unit that divides it."""
    return _largest(count, _BYTES)


def _largest(count: int, units: dict[str, int]) -> str:
    if count == 0:
        return "0"
    letter, factor = next(unit for unit in reversed(units.items()) if count % unit[1] == 0)
    return f"{count // factor}{letter}"


def _above_0(count: int) -> int:
    if count == 0:
        raise ValueError("0 is no time at all; write 30s, 5m, 2h or 3d")
    return count


#: Seconds, written `30s`, `5m`, `2h`, `3d`, or 0.
AnyDuration = Annotated[
    int,
    BeforeValidator(seconds),
    PlainSerializer(duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(0|[0-9]{1,9}[smhd])$"}),
]

#: The same above 0: a limit, an age or a pause of 0 would let nothing through.
Duration = Annotated[
    AnyDuration,
    AfterValidator(_above_0),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"}),
]

#: Bytes, written `256K`, `64M`, `1G`.
Size = Annotated[
    int,
    BeforeValidator(octets),
    PlainSerializer(size, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(0|[0-9]{1,9}[KMG])$"}),
]
