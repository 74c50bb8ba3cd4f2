"""The answer to "who sent this, and how do we know": a `Verdict` and the proof it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Proof(StrEnum):
    """How we know the sender, weakest first; `rights` says what each is good for."""

    #: a From line and nothing else
    CLAIMED = "claimed"
    #: a text that Google signed; the caller ID below it can be forged
    CARRIER = "carrier"
    #: aligned DKIM, ARC of a named forwarder, our mail host's own word, SMTP AUTH
    SIGNED = "signed"
    #: a file dropped by its owner's uid, or the command line
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What trust found out about one message.

    `person` is None for strangers. `sender` is the proven address or E.164 number. `reason` is
    one stable word with dashes when the message must not be obeyed, else None. `sent` is when it
    was sent by trusted time only, None when no trusted time is known. `keys` say "the same
    message": each may be obeyed once. `checks` names every check that was made and its result.
    `token` is the Google Voice conversation, for whoever pins it. With proof `claimed` person and
    sender are only whom the message names; a reason beside a better proof (`stale`, `future`,
    `no-key`) means that they are known and may be told, but not obeyed.
    """

    person: str | None = None
    sender: str | None = None
    proof: Proof = Proof.CLAIMED
    reason: str | None = None
    sent: datetime | None = None
    keys: tuple[str, ...] = ()
    checks: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
