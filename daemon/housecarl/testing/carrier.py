"""A made-up Google Voice: texts as the real one mails them, signed with a key of our own."""

from __future__ import annotations

import base64
import hashlib
import itertools
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

_SELECTOR = "test"

#: The footer that stands under every text since 2019; the reader must not take it for a command.
_FOOTER = (
    "YOUR ACCOUNT <https://voice.google.com> HELP CENTER\r\n"
    "<https://support.google.com/voice#topic=1707989> HELP FORUM\r\n"
    "<https://productforums.google.com/forum/#!forum/voice>\r\n"
)

_count = itertools.count(1)


@dataclass(frozen=True)
class Carrier:
    """Signs as google.com with a key that only `dns` knows; nobody else believes it."""

    account: str = "house@gmail.com"
    number: str = "+13035550100"
    _key: bytes = field(default_factory=lambda: _new_key(), repr=False)

    @property
    def dns(self) -> dict[str, dict[str, list[str]]]:
        """What the whole DNS says in a test: our key under Google's name."""
        public = base64.b64encode(_public(self._key)).decode()
        name = f"{_SELECTOR}._domainkey.google.com"
        return {name: {"TXT": [f"v=DKIM1; k=ed25519; p={public}"]}}

    def address(self, number: str) -> str:
        """The conversation address of one phone: answers go there."""
        token = hashlib.sha256(f"{self.number}{number}".encode()).hexdigest()[:10]
        return f"{self.number[1:]}.{number[1:]}.{token}@txt.voice.google.com"

    def envelope(self, to: str) -> str:
        """The envelope sender when the account's filter forwards a mail to `to`."""
        local, _, domain = self.account.partition("@")
        return f"{local}+caf_={to.replace('@', '=')}@{domain}"

    def text(self, number: str, text: str, sent: datetime | None = None) -> bytes:
        """The mail that a text from `number` (E.164) becomes, signed at `sent` (now)."""
        sent = sent or datetime.now(UTC)
        shown = f"({number[2:5]}) {number[5:8]}-{number[8:]}"
        unique = hashlib.sha1(f"{next(_count)}{time.time_ns()}".encode()).hexdigest()
        headers = {
            "MIME-Version": "1.0",
            "Message-ID": f"<+{self.number[1:]}.{unique}@txt.voice.google.com>",
            "Date": format_datetime(sent),
            "Subject": f"New text message from {shown}",
            "From": f'"{shown}" <{self.address(number)}>',
            "To": self.account,
            "Content-Type": 'text/plain; charset="UTF-8"; format=flowed; delsp=yes',
        }
        typed = "\r\n".join(text.splitlines())
        body = f"<https://voice.google.com>\r\n{typed}\r\n{_FOOTER}".encode()
        signature = self._sign(headers, body, int(sent.timestamp()))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"DKIM-Signature: {signature}\r\n{head}\r\n".encode() + body

    def _sign(self, headers: dict[str, str], body: bytes, at: int) -> str:
        """A DKIM signature (RFC 6376, RFC 8463), simple body, relaxed and over-signed headers."""
        from nacl.signing import SigningKey

        names = list(headers) + [n for n in headers if n != "MIME-Version"]
        signature = (
            f"v=1; a=ed25519-sha256; c=relaxed/simple; d=google.com; s={_SELECTOR}; t={at}; "
            f"x={at + 604800}; h={':'.join(name.lower() for name in names)}; "
            f"bh={base64.b64encode(hashlib.sha256(body).digest()).decode()}; b="
        )
        signed = "".join(f"{name.lower()}:{value}\r\n" for name, value in headers.items())
        digest = hashlib.sha256(f"{signed}dkim-signature:{signature}".encode()).digest()
        made = SigningKey(base64.b64decode(self._key)).sign(digest).signature
        return signature + base64.b64encode(made).decode()


def _new_key() -> bytes:
    """A new ed25519 private key as dkimpy wants it: base64 of the seed."""
    from nacl.signing import SigningKey

    return base64.b64encode(bytes(SigningKey.generate()))


def _public(key: bytes) -> bytes:
    from nacl.signing import SigningKey

    return bytes(SigningKey(base64.b64decode(key)).verify_key)
