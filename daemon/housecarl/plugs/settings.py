"""Which plugs there are: name, address, and what is special about each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from housecarl.config_section import Line
from housecarl.secret import Secret

#: the port of plugs of the Kasa generation
PORT = 9999


class PlugAddress(BaseModel):
    """One plug as configured; a bare text is its host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: address or host name
    host: str
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


def _apart(plugs: Mapping[str, PlugAddress]) -> Mapping[str, PlugAddress]:
    """Each plug has one name: by this it is left alone while it is flashed. ValueError says so."""
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
    Mapping[Line, Annotated[PlugAddress, BeforeValidator(_address)]], AfterValidator(_apart)
]
