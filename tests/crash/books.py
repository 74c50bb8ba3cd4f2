"""The books of a house that was struck, balanced from outside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from housecarl.errors import StorageError
from housecarl.journal import JOURNAL, connect, receipts
from housecarl.testing.inbox import Inbox


class Books:
    """What was done by the ledger, what was told by the inbox, what is left by the spool."""

    def __init__(self, ledger: Path, spool: Path, inbox: Inbox) -> None:
        self.ledger = ledger
        self.spool = spool
        self.inbox = inbox
        self._read = 0
        self._answers: dict[int, list[tuple[str, str]]] = {}

    def begin(self) -> None:
        """Forget what was told so far: what comes belongs to another house."""
        self._read = len(self.inbox.received)
        self._answers.clear()

    def marks(self) -> Counter[int]:
        """How often each change ran."""
        return Counter(int(line) for line in self.ledger.read_text().split())

    def replies(self) -> dict[int, list[tuple[str, str]]]:
        """What was answered to each message: (Message-ID, first line)."""
        new = self.inbox.received[self._read :]
        self._read += len(new)
        for each in new:
            n = int(str(each.mail["In-Reply-To"])[1:].partition("@")[0])
            told = (str(each.mail["Message-ID"]), each.text.splitlines()[0])
            self._answers.setdefault(n, []).append(told)
        return self._answers

    def waiting(self) -> list[str]:
        """The files that are in no last folder."""
        left = (path for state in ("tmp", "new", "work") for path in (self.spool / state).iterdir())
        return [f"{path.parent.name}/{path.name}" for path in left]

    def settled(self, acknowledged: set[int]) -> bool:
        """Whether all that was acknowledged is answered and filed."""
        return not acknowledged - self.replies().keys() and not self.waiting()

    def twice(self) -> list[str]:
        """The changes that ran more than once."""
        twice = [n for n, times in self.marks().items() if times > 1]
        return [f"ran twice: {twice}"] if twice else []

    def balance(self, acknowledged: set[int]) -> list[str]:
        """What is wrong: all is answered, once and truly, and folders and journal agree."""
        marks, replies = self.marks(), self.replies()
        found = self.twice()
        if lost := sorted(acknowledged - replies.keys()):
            found.append(f"acknowledged and not answered: {lost}")
        for n, told in replies.items():
            found += _wrong(n, told, marks[n])
        if untold := sorted(n for n in marks if n not in replies):
            found.append(f"done and not told: {untold}")
        if left := self.waiting():
            found.append(f"left over: {left}")
        return found + self._compare()

    def _compare(self) -> list[str]:
        """Each file is where the journal says, and each that the journal names is there."""
        there = {p.name: p.relative_to(self.spool).parts[0] for p in self.spool.rglob("*.eml")}
        try:
            conn = connect(self.spool / JOURNAL, readonly=True)
        except StorageError as error:
            return [str(error)]
        try:
            noted = {r.file: r.state for r in receipts.listing(conn, limit=10_000_000)}
        finally:
            conn.close()
        wrong = sorted(set(there.items()) ^ set(noted.items()))
        return [f"folders and journal differ: {wrong[:10]}"] if wrong else []


def _wrong(n: int, told: list[tuple[str, str]], marks: int) -> list[str]:
    """What is wrong with the answers to one message."""
    if len({identity for identity, _ in told}) != 1 or len({text for _, text in told}) != 1:
        return [f"{n} was answered in two ways: {told}"]
    text = told[0][1]
    if n % 3 == 0:
        return [] if text == f"peeked {n}." else [f"a look was answered with {text!r}"]
    if "interrupted" in text:
        return []
    if text != f"marked {n}.":
        return [f"{n} was answered with {text!r}"]
    return [] if marks == 1 else [f"{n} was told as done and ran {marks} times"]
