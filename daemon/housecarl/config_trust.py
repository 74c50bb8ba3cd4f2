"""What counts as proof of the sender, and how old a message may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from housecarl.config_section import Section
from housecarl.contact import Address, Domain, Phone
from housecarl.location import NameServer
from housecarl.quantity import DAY, MINUTE, Duration
from housecarl.verdict import Proof


def _proves(proof: Proof) -> Proof:
    if proof is Proof.CLAIMED:
        raise ValueError("claimed would obey anybody: a From line can be forged; use signed")
    return proof


class GoogleVoice(Section):
    """The Google account whose Voice number people text."""

    account: Address = Field(description="Google account; replies must leave from it (post.from).")
    number: Phone = Field(description="Its Google Voice number.")
    without_arc: bool = Field(
        default=False,
        description="Take Google's texts without the ARC seal that Gmail adds when it forwards.",
    )


class Forwarder(Section):
    """A mail host that forwards to us and whose ARC seal is believed."""

    domain: Domain = Field(description="The sealing domain (d= of its ARC-Seal).")


class Trust(Section):
    """How the house knows who is speaking."""

    google_voice: GoogleVoice | None = Field(
        default=None, description="Take texts forwarded by Google Voice."
    )
    require: Annotated[Proof, AfterValidator(_proves)] = Field(
        default=Proof.SIGNED,
        description="Least proof for e-mail: signed; local takes no mail at all.",
    )
    forwarders: list[Forwarder] = Field(
        default=[],
        description="Mail hosts whose ARC seal is believed, besides Gmail for google_voice.",
    )
    authserv_id: Domain | None = Field(
        default=None,
        description="Whose Authentication-Results to believe in the IMAP mailbox (mx.google.com).",
    )
    resolver: list[NameServer] = Field(
        default=[], description="Name servers to ask, port 53 unless given; none asks the system's."
    )
    late: Duration = Field(
        default=15 * MINUTE,
        description="A change this old is not run: who asked may have walked to the switch.",
    )
    max_age: Duration = Field(
        default=2 * DAY, description="Nothing older is run; also how long a check waits for DNS."
    )
    remember: Duration = Field(
        default=30 * DAY,
        description="How long messages are known as seen; longer than any may be late.",
    )
