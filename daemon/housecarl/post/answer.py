"""What a smarthost answers, and what that means for the mail and for the smarthost."""

from __future__ import annotations

import re
from typing import NamedTuple

from housecarl.errors import PostLater, PostRefused

#: Characters of an error that are kept.
MAX_ERROR = 200

_NUMBER = re.compile(r"\d{3,}(?=\d{4})")


class ServiceFault(PostLater):
    """The smarthost takes nothing from us now; no fault of the one reply that was tried."""


class Answer(NamedTuple):
    """One answer of the smarthost: its code, and the text of its last line."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()

    @property
    def lasting(self) -> bool:
        """Whether it says never; a used-up sending quota (5.4.5, Gmail) comes back by itself."""
        return self.code >= 500 and not self.text.startswith("5.4.5")


def trouble_of(answers: list[Answer]) -> PostLater | PostRefused | None:
    """What the answers to MAIL, RCPT and DATA say against going on."""
    wanted = ((200, "the sender"), (200, "the recipient"), (354, "the mail"))
    for answer, (code, what) in zip(answers, wanted, strict=False):
        if answer.code != code and not (code == 200 and answer.code in (250, 251, 252)):
            return judged(answer, what)
    return None


def judged(answer: Answer, what: str) -> PostLater | PostRefused:
    """The error that an answer means; what is said to our own address is about us, not the mail."""
    text = f"{what}: {answer}"
    if answer.code in (421, 530, 535) or what == "the sender":
        return ServiceFault(text)
    if not 400 <= answer.code < 600:
        return ServiceFault(f"{what}: not an answer to that: {answer}")
    return PostRefused(text) if answer.lasting else PostLater(text)


def brief(text: str) -> str:
    """What went wrong as one bounded line in which no phone number can be read."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return _NUMBER.sub("...", line[:MAX_ERROR])
