"""A finding: what one check saw, and how to mend it when that is trouble."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How a check ended; skip: there is nothing to check, or not from here."""

    OK = "ok"
    FAIL = "FAIL"
    SKIP = "skip"


class Finding(NamedTuple):
    """One line for the operator; `mend` says what to do about it."""

    part: str
    state: State
    text: str
    mend: str = ""


class Trouble(Exception):
    """A check cannot go on: what it saw, and how to mend it."""

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(text)
        self.text, self.mend = text, mend


def well(part: str, text: str) -> Finding:
    """All is as it should be."""
    return Finding(part, State.OK, text)


def trouble(part: str, text: str, mend: str) -> Finding:
    """Something is wrong."""
    return Finding(part, State.FAIL, text, mend)


def skipped(part: str, text: str, mend: str = "") -> Finding:
    """Nothing was checked; `mend` says how it could be."""
    return Finding(part, State.SKIP, text, mend)
