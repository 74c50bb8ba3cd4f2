"""The way out: the mail host that takes the replies."""

from __future__ import annotations

from pydantic import Field

from housecarl.config_doors import Tls
from housecarl.config_section import Line, Section
from housecarl.contact import Address
from housecarl.location import Host, Location, Port
from housecarl.quantity import DAY, Duration
from housecarl.secret import Secret


class Post(Section):
    """Where replies are handed in; without it nobody is answered."""

    host: Host = Field(description="The mail host, such as smtp.gmail.com.")
    port: Port = Field(default=587, description="Its port; 465 with tls.")
    tls: Tls = Field(default="starttls", description="starttls, tls, or none (only to loopback).")
    ca: Location | None = Field(
        default=None, description="PEM file of authorities to trust in place of the system's."
    )
    user: Line | None = Field(default=None, description="User name; none hands in without AUTH.")
    password: Secret | None = Field(default=None, description="The user's (app) password.")
    from_: Address = Field(alias="from", description="From of every reply.")
    give_up: Duration = Field(
        default=4 * DAY,
        description="A reply that could not be sent this long is given up (RFC 5321: 4 days).",
    )
