"""One message under examination: what is known, and the finding of each check for `why`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from housecarl.message.model import Message
from housecarl.message.stamp import Stamp
from housecarl.trust.original import Original
from housecarl.verdict import Proof


@dataclass(frozen=True, slots=True)
class Case:
    """What every check may look at; each check writes its finding into `checks`."""

    original: Original
    message: Message
    stamp: Stamp | None
    now: datetime
    checks: dict[str, str] = field(default_factory=dict)

    @property
    def door(self) -> str:
        """The door it came by; a file without a stamp is judged as if sent by SMTP."""
        return self.stamp.door if self.stamp else "smtp"


class Finding(NamedTuple):
    """What one route found: `reason` None when `proof` holds.

    `times` are seconds since 1970 that the proof vouches for, `marks` name accepted signatures.
    """

    person: str | None = None
    sender: str | None = None
    proof: Proof = Proof.CLAIMED
    reason: str | None = "no-proof"
    times: Sequence[int] = ()
    marks: Sequence[str] = ()
