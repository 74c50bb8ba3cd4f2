"""A phone on the far side of the made-up carrier: texts the house and reads what it texts back."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from housecarl.clock import Clock
from housecarl.septets import PART, plain, septets
from housecarl.testing.carrier import Carrier
from housecarl.testing.inbox import Inbox


class Home(Protocol):
    """What a phone needs of the house it texts: its carrier, its clock, its inbox and address."""

    carrier: Carrier
    clock: Clock
    inbox: Inbox
    address: str

    def send(self, raw: bytes, mail_from: str) -> None:
        """Hand a mail in by SMTP."""


class Phone:
    """One number. `text` sends, `reply` is the next answer; one that breaks the SMS rules fails.

    The rules: one line, GSM 03.38 characters only, one message part.
    """

    def __init__(self, house: Home, number: str) -> None:
        self._house = house
        self.number = number
        self._read = 0

    @property
    def address(self) -> str:
        """Where answers to this phone are mailed."""
        return self._house.carrier.address(self.number)

    def text(self, text: str, sent: datetime | None = None) -> None:
        """Text the house, by way of the carrier's mail and real SMTP."""
        carrier = self._house.carrier
        raw = carrier.text(self.number, text, sent or self._house.clock.now())
        self._house.send(raw, mail_from=carrier.envelope(self._house.address))

    @property
    def reply(self) -> str:
        """The next reply; waits for it. AssertionError when it is no good SMS."""
        return self.wait()

    def wait(self, seconds: float = 30.0) -> str:
        """The next reply within some seconds; raises TimeoutError."""
        got = self._house.inbox.wait(self._read + 1, seconds, to=self.address)[self._read]
        self._read += 1
        check(got.text)
        return got.text

    @property
    def silent(self) -> bool:
        """Whether everything that came was read."""
        return len(self._house.inbox.to(self.address)) == self._read


def check(text: str) -> None:
    """AssertionError when `text` would not travel as one SMS of GSM characters."""
    assert "\n" not in text, f"more than one line: {text!r}"
    foreign = [char for char in text if plain(char) != char and not char.isspace()]
    assert not foreign, f"would make the SMS UCS-2, 70 characters a part: {foreign} in {text!r}"
    assert septets(text) <= PART, f"{septets(text)} septets, {PART} fit one SMS: {text!r}"
