"""A message as the house reads it: what it says and where an answer goes, nothing proved yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What sort of message this is; only `sms` and `mail` can hold commands."""

    SMS = "sms"
    MAIL = "mail"
    CONFIRMATION = "confirmation"
    VOICEMAIL = "voicemail"
    GROUP = "group"
    BOUNCE = "bounce"
    AUTO = "auto"
    NONE = "none"


class Thread(NamedTuple):
    """What a reply needs to land in the same conversation; ids keep their angle brackets."""

    subject: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message read; every field is only claimed until trust has spoken.

    `sender` is the address, lower-case domain, or for a text the E.164 number. `text` holds the
    commands if there are any: for mail the chosen body part as plain text, for a text what was
    texted. `subject` may carry the one command when the body holds none. `reply_to` is the address
    an answer goes to, None when there is no way back. `facts` holds what only one format knows:
    `gv_number`, `token`, `name` for Google Voice, `account`, `code`, `link` for a confirmation.
    """

    kind: Kind
    sender: str | None = None
    from_address: str | None = None
    text: str = ""
    subject: str = ""
    message_id: str | None = None
    reply_to: str | None = None
    thread: Thread = field(default_factory=Thread)
    facts: Mapping[str, str | None] = field(default_factory=dict)
