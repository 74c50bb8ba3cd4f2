"""The three ways in: SMTP, a mailbox watched by IMAP, files dropped into the spool."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from housecarl.config_section import Line, Section
from housecarl.contact import Address
from housecarl.location import Endpoint, Host, Location, Port
from housecarl.quantity import KIB, MINUTE, Duration, Size, size
from housecarl.secret import Secret

#: How a connection is protected: from the first byte, after STARTTLS, or not (only to loopback).
Tls = Literal["tls", "starttls", "none"]


def _readable(count: int) -> int:
    """A size of which a message is read at all."""
    from housecarl.message.form import MAX_SIZE  # most leave it as it is

    if count == 0:
        raise ValueError("0 lets no message through; write 64K or more")
    if count > MAX_SIZE:
        raise ValueError(f"is more than {size(MAX_SIZE)}, and no larger message is ever read")
    return count


class Rule(Section):
    """Which messages a door takes: both patterns must match (* and ?, capitals do not matter)."""

    from_: Line = Field(default="*", alias="from", description="Pattern for the address in From.")
    subject: Line = Field(default="*", description="Pattern for the subject.")


class Certificate(Section):
    """A TLS certificate and its key; both are read again on SIGHUP."""

    cert: Location = Field(description="PEM file: the certificate, then its chain.")
    key: Location = Field(description="PEM file of the key; only its owner may read it.")


class Smtp(Section):
    """Mail and forwarded texts by SMTP."""

    listen: Endpoint = Field(
        default="127.0.0.1:2525",
        description="Where plain SMTP (and STARTTLS) is served; loopback only.",
    )
    listen_tls: Endpoint | None = Field(
        default=None, description="Where SMTP under TLS from the first byte is served; off."
    )
    certificate: Certificate | None = Field(
        default=None,
        description="For STARTTLS, listen_tls and AUTH; none, so none of these is offered.",
    )
    recipients: list[Address] = Field(
        min_length=1, description="Addresses that are the house's; any other gets 550."
    )
    rules: list[Rule] = Field(
        default=[],
        description="Mail must match one of them; none takes all. Never applied to AUTH.",
    )
    max_size: Annotated[Size, AfterValidator(_readable)] = Field(
        default=256 * KIB,
        description="Largest message, 256K at most: a command is short, a forwarded text is 10K.",
    )
    connections: int = Field(
        default=50, ge=1, le=10000, description="Connections at once; the next one gets 421."
    )
    per_address: int = Field(
        default=5, ge=1, le=10000, description="Of these from one address; 127.0.0.1 is exempt."
    )
    session: Duration = Field(
        default=2 * MINUTE, description="A connection ends after this long, whatever it does."
    )
    command: Duration = Field(
        default=1 * MINUTE, description="A connection ends when one command takes this long."
    )
    rate: int = Field(
        default=60,
        ge=0,
        description="Messages a minute from one address; 127.0.0.1 is exempt, 0 is no bound.",
    )


class OAuth(Section):
    """XOAUTH2 in place of a password."""

    client_file: Location = Field(
        description="JSON file of client id, secret and refresh token; only its owner may read it."
    )


class Imap(Section):
    """A mailbox that is watched; only mail that concerns the house is fetched and moved."""

    host: Host = Field(description="The mail host, such as imap.gmail.com.")
    port: Port = Field(default=993, description="Its port; 143 with starttls.")
    tls: Tls = Field(default="tls", description="tls, starttls, or none (only to loopback).")
    ca: Location | None = Field(
        default=None, description="PEM file of authorities to trust in place of the system's."
    )
    user: Line = Field(description="The mailbox's user name.")
    password: Secret | None = Field(default=None, description="Its (app) password; or else oauth.")
    oauth: OAuth | None = Field(default=None, description="XOAUTH2 in place of the password.")
    folder: Line = Field(default="INBOX", description="The folder that is watched.")
    executed: Line = Field(
        default="housecarl/executed", description="Where messages go that the spool has safely."
    )
    move: Literal["auto", "move", "flag"] = Field(
        default="auto",
        description="auto moves where the server can, else flags; move insists, flag only flags.",
    )
    rules: list[Rule] = Field(
        default=[],
        description="What else concerns us, besides people's addresses and Google's own forms.",
    )
    all_old: bool = Field(
        default=False,
        description="Take also what lay there before the first start, however much it is.",
    )
    poll: Duration = Field(
        default=5 * MINUTE,
        description="How often to look for what IDLE missed; servers do forget to tell.",
    )
    idle: Duration = Field(
        default=10 * MINUTE,
        description="How long one IDLE lasts; servers and routers drop longer ones.",
    )


class Drop(Section):
    """Files put into spool/; their owner's login decides who it is."""


class Doors(Section):
    """The ways in; each is off unless it is named."""

    smtp: Smtp | None = Field(default=None, description="Take mail by SMTP.")
    imap: Imap | None = Field(default=None, description="Watch a mailbox.")
    drop: Drop | None = Field(default=None, description="Take files put into spool/.")
