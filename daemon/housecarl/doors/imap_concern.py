"""Which mail in a mailbox concerns the house; everything else keeps its place and its flags."""

from __future__ import annotations

from collections.abc import Iterable

from housecarl.config_doors import Rule
from housecarl.doors.smtp_rules import Rules
from housecarl.errors import FormError
from housecarl.message import gmail_confirmation, google_voice
from housecarl.message.form import gate


class Concern:
    """People's addresses, Google's two forms, and rules; judged on From and Subject alone."""

    def __init__(self, addresses: Iterable[str], rules: Iterable[Rule]) -> None:
        # capitals do not matter, as in trust, which has the last word on whose an address is
        self._addresses = frozenset(address.lower() for address in addresses)
        patterns = [(rule.from_, rule.subject) for rule in rules]
        self._rules = Rules(patterns) if patterns else None

    def is_ours(self, header: bytes) -> bool:
        """Whether a header block of From and Subject is one the house should read.

        One that cannot be read in exactly one way is nobody's.
        """
        try:
            form = gate(header.rstrip(b"\r\n") + b"\r\n\r\n")
        except FormError:
            return False
        return (
            (form.from_address or "").lower() in self._addresses
            or google_voice.is_one(form)
            or gmail_confirmation.is_one(form)
            or (self._rules is not None and self._rules.admit(form))
        )
