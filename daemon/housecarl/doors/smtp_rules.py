"""Which mail the SMTP door takes from strangers: patterns for From and Subject."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from housecarl.message import gmail_confirmation
from housecarl.message.field import readable
from housecarl.message.form import Form


class Rules:
    """(from, subject) patterns with `*`, `?` and `[...]`; capitals do not matter, one rule will do.

    `from` is compared with the address and with the whole field, `subject` with the field as it
    stands and as it reads: a contact called Zoë comes as an encoded word.
    """

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        self._rules = [(_compiled(sender), _compiled(subject)) for sender, subject in patterns]

    def admit(self, form: Form) -> bool:
        """Whether this message may come in: there are no rules, one matches, or Google asks.

        Google's question whether mail may be forwarded here must get through any rules.
        """
        address = (form.from_address or "").lower()
        if not self._rules or address == gmail_confirmation.ADDRESS:
            return True
        subject = form.first("subject") or ""
        senders = (address, (form.first("from") or "").lower())
        subjects = (subject.lower(), readable(subject).lower())
        return any(
            any(by_sender.match(text) for text in senders)
            and any(by_subject.match(text) for text in subjects)
            for by_sender, by_subject in self._rules
        )


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.lower()))
