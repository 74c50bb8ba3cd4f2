"""What the house watches by itself, and the hours in which it does not speak first."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from housecarl import when
from housecarl.config_section import Line, Section
from housecarl.errors import CommandError
from housecarl.location import Host, Location, Port
from housecarl.quantity import DAY, MINUTE, AnyDuration, Duration


def _clock_time(value: Any) -> Any:
    if isinstance(value, time):
        return value
    try:
        return when.clock_time(str(value))
    except CommandError:
        raise ValueError(f"'{value}' is no time of the day; write 7:00 or 22:30") from None


def _not_too_often(seconds: int) -> int:
    if seconds < SHORTEST_EVERY:
        raise ValueError(f"should be {SHORTEST_EVERY}s or longer")
    return seconds


#: Seconds between two looks at one thing at the least: a house should sleep.
SHORTEST_EVERY = 30

#: Seconds between two looks.
Every = Annotated[Duration, AfterValidator(_not_too_often)]

#: A time of the day, written 7:00 or 22:30.
ClockTime = Annotated[
    time,
    BeforeValidator(_clock_time),
    PlainSerializer(lambda at: f"{at.hour}:{at:%M}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^([01]?[0-9]|2[0-3])[:.][0-5][0-9]$"}),
]


class Quiet(Section):
    """Hours in which nothing is told that can wait; told is what is left of it afterwards."""

    from_: ClockTime = Field(
        default=time(22), alias="from", description="When the quiet hours begin."
    )
    to: ClockTime = Field(default=time(7), description="When they end and what was held is told.")


class PartWatch(Section):
    """A part of the house itself."""

    after: AnyDuration = Field(
        default=15 * MINUTE,
        description="How long it must last to be told, and be over to be well again.",
    )
    urgent: bool = Field(default=False, description="true: told in quiet hours too.")


class NewsWatch(Section):
    """Something that is told as it comes."""

    urgent: bool = Field(default=False, description="true: told in quiet hours too.")


class CertificateWatch(NewsWatch):
    """The end of the SMTP door's certificate."""

    before: AnyDuration = Field(
        default=14 * DAY,
        description="How long before its end it is told; renewals come 30 days before.",
    )


class StrangersWatch(NewsWatch):
    """Messages of people the house does not know, counted."""

    at: ClockTime = Field(
        default=time(9), description="When those of the last day are told, if there were any."
    )


class HostWatch(PartWatch):
    """A machine that should answer: to ping, or on a TCP port."""

    address: Host | None = Field(
        default=None, description="Its address or name; that of modules.ping.hosts."
    )
    port: Port | None = Field(
        default=None, description="A TCP port that must take connections, in place of ping."
    )
    every: Every = Field(default=1 * MINUTE, description="How often it is asked; 30s at the least.")
    after: AnyDuration = Field(
        default=5 * MINUTE,
        description="How long it must last to be told, and be over to be well again.",
    )


class DiskWatch(PartWatch):
    """Disks that fill up; asked every ten minutes."""

    percent: int = Field(default=90, ge=1, le=99, description="Full from here on, in percent.")
    paths: list[Location] = Field(
        default=[], description="A folder on each disk; none: / and where the spool is."
    )


class PlugWatch(PartWatch):
    """What a plug draws, and whether its meter can be believed."""

    over: float | None = Field(default=None, ge=0, description="Watts that are too many.")
    under: float | None = Field(default=None, gt=0, description="Watts that are too few.")
    every: Every = Field(default=5 * MINUTE, description="How often it is asked; 30s at the least.")


class Watches(Section):
    """What is told to the owners when it goes wrong, and once more when it is well again."""

    mailbox: PartWatch | None = Field(default=None, description="The mailbox is out of reach.")
    post: PartWatch | None = Field(
        default=None, description="The smarthost takes no mail; told when it does again."
    )
    confirmation: NewsWatch | None = Field(
        default=None, description="Gmail asks to confirm that an account forwards here."
    )
    strangers: StrangersWatch | None = Field(
        default=None, description="Messages of strangers: once a day, with counts."
    )
    certificate: CertificateWatch | None = Field(
        default=None, description="The SMTP door's certificate ends soon."
    )
    disk: DiskWatch | None = Field(default=None, description="A disk is nearly full.")
    hosts: dict[Line, HostWatch] = Field(
        default={}, description="Machines that should answer, by name."
    )
    plugs: dict[Line, PlugWatch] = Field(
        default={},
        description="Plugs of modules.plug: their watts, and whether the meter is right.",
    )
