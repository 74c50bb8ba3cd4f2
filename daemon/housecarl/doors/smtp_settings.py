"""What an operator may set about the SMTP door, as plain values, and the bounds nobody sets."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from housecarl.config_doors import Smtp

#: Bytes of one command line with its CR LF; RFC 5321 4.5.3.1.4 wants 512, AUTH needs more.
MAX_LINE = 2048

#: Times one command may come before the next accepted message; RCPT: one message to a wrong list.
CALLS = 20
CALLS_OF = {"RCPT": 40, "?": 5}

#: Addresses that the door remembers for each reason; the oldest are forgotten first.
MAX_ADDRESSES = 4096

#: Recipients of one message: the house has one or two addresses.
MAX_RECIPIENTS = 5

#: Times `max_size` that one connection may send before a message of it is accepted.
BYTES_FACTOR = 4

#: Failed AUTH attempts of one connection.
MAX_FAILURES = 3

#: Times that one connection may be put off with its password: clients try PLAIN, then LOGIN.
PUT_OFFS = 2

#: Seconds a TLS handshake may take.
HANDSHAKE_SECONDS = 10.0

#: Seconds a peer has to end its side after our goodbye, so that it can still read it.
LINGER_SECONDS = 2.0


class SmtpSettings(NamedTuple):
    """The door's settings; times in seconds, sizes in bytes, `rules` as (from, subject) patterns.

    `grace` is how long a connection that has brought nothing is safe from making room for another
    one when the door is full; `tarpit` how long the answer to a wrong password takes.
    """

    recipients: tuple[str, ...]
    listen: str | None = "127.0.0.1:2525"
    listen_tls: str | None = None
    cert: Path | None = None
    key: Path | None = None
    rules: tuple[tuple[str, str], ...] = ()
    max_size: int = 256 * 1024
    connections: int = 50
    per_address: int = 5
    session: float = 120.0
    command: float = 60.0
    rate: int = 60
    grace: float = 0.5
    tarpit: float = 1.0
    hostname: str = ""

    @classmethod
    def of(cls, section: Smtp) -> SmtpSettings:
        """The settings that `doors.smtp` of a configuration asks for."""
        certificate = section.certificate
        return cls(
            recipients=tuple(section.recipients),
            listen=section.listen,
            listen_tls=section.listen_tls,
            cert=certificate.cert if certificate else None,
            key=certificate.key if certificate else None,
            rules=tuple((rule.from_, rule.subject) for rule in section.rules),
            max_size=section.max_size,
            connections=section.connections,
            per_address=section.per_address,
            session=section.session,
            command=section.command,
            rate=section.rate,
        )

    @property
    def name(self) -> str:
        """What the door calls itself; never looked up in DNS, which may hang."""
        return self.hostname or socket.gethostname()


def load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """Have a context serve a certificate by its key; blocks. Raises ValueError with what is wrong.

    OpenSSL would ask for the password of a key on the terminal, and wait until somebody types it.
    """

    def locked() -> str:
        raise ValueError(f"the key has a password; openssl pkey -in {key} writes it without")

    try:
        context.load_cert_chain(cert, key, password=locked)
    except OSError as error:  # ssl.SSLError is one too
        is_tls = isinstance(error, ssl.SSLError)
        raise ValueError("they are no pair in PEM" if is_tls else error.strerror) from None
