"""What all sessions of the SMTP door share, and what one hands over."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from housecarl.doors.smtp_crowd import Crowd
from housecarl.doors.smtp_login import Logins
from housecarl.doors.smtp_settings import SmtpSettings

#: What a stranger reads of any trouble of ours.
TRY_LATER = "451 4.3.0 Temporary failure, try again later"


class Arrived(NamedTuple):
    """One message and what the session knows of it; `body` as its sender wrote it, with CR LF."""

    body: bytes
    peer: str
    helo: str
    mail_from: str
    rcpt_tos: tuple[str, ...]
    tls: str
    login: str


@dataclass(slots=True)
class Desk:
    """What all sessions of the door share; `receive` makes a message safe and returns the reply."""

    settings: SmtpSettings
    crowd: Crowd
    logins: Logins
    tls: ssl.SSLContext | None
    receive: Callable[[Arrived], Awaitable[str]]
    closed: bool = False
