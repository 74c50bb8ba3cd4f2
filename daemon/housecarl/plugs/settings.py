"""Which plugs there are: name, address, and what is special about each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from housecarl.config_section import Line
from housecarl.folding import apart, spoken
from housecarl.location import Host
from housecarl.secret import Secret

#: the port of plugs of the Kasa generation
PORT = 9999
#: what a word of `plug` means that is no plug
RESERVED = {"all": "every plug", **dict.fromkeys(("on", "off", "toggle"), "to switch")}


def _name(value: str) -> str:
    """A name that can be texted, and that means one plug. ValueError says what to do."""
    typed = spoken(value)
    if typed in RESERVED:
        raise ValueError(f"'{value}' means {RESERVED[typed]}; call this one something else")
    if "," in typed or '"' in typed or typed.startswith("-"):
        raise ValueError("cannot be texted: take out commas, double quotes and a - in front")
    return value


class PlugAddress(BaseModel):
    """One plug as configured; a bare text is its host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: address or host name
    host: Host
    port: int = Field(default=PORT, ge=1, le=65535)
    #: watts; more than this the meter cannot truly say
    max_watts: float | None = Field(default=None, gt=0)
    #: TP-Link account, for newer (KLAP, Tapo) devices only
    user: str | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _account(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        return self


def _address(value: Any) -> Any:
    """`lamp: 192.168.1.41` and `lamp: 192.168.1.41:9998` are short for a mapping."""
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if colon and port.isdigit() and ":" not in host:
        return {"host": host, "port": int(port)}
    return {"host": value}


def _places(plugs: Mapping[str, PlugAddress]) -> Mapping[str, PlugAddress]:
    """Each plug has one name. ValueError says which has two."""
    places: dict[tuple[str, int], str] = {}
    for name, one in plugs.items():
        former = places.setdefault((one.host.casefold(), one.port), name)
        if former != name:
            raise ValueError(
                f"{former} and {name} are one plug, {one.host}:{one.port}: keep one of the names"
            )
    return plugs


#: The `plugs:` mapping of the configuration; a name stands in replies, so it is one line.
Plugs = Annotated[
    Mapping[
        Annotated[Line, AfterValidator(_name)],
        Annotated[PlugAddress, BeforeValidator(_address)],
    ],
    AfterValidator(apart),
    AfterValidator(_places),
]
