"""The record of one message: what the journal is told about it, one transaction at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from housecarl import confirm
from housecarl.confirm import Challenge, WrongCode
from housecarl.envelope import Answer, Kind, Way
from housecarl.errors import NotAllowed
from housecarl.journal import Database, codes, people, receipts, runs
from housecarl.journal.people import Way as KnownWay
from housecarl.journal.receipts import Receipt
from housecarl.journal.replies import Due
from housecarl.journal.runs import Run
from housecarl.judge import Case, Step
from housecarl.message.model import Thread
from housecarl.module import Reply, Risk
from housecarl.outbox import Outbox
from housecarl.spool import State
from housecarl.verdict import Proof

#: Seconds within which the same change by the same person runs once (two taps, a resent text).
SAME_SECONDS = 60.0


class Repeated(Exception):
    """The message is one that was seen before; `first` is the id it had then."""

    def __init__(self, case: Case, first: str) -> None:
        super().__init__(first)
        self.case = case
        self.first = first


class Overtaken(NotAllowed):
    """A change that had to wait while a later one of the same person was carried out."""

    reason = "overtaken"


class Done(NamedTuple):
    """What came of a message: its runs, what to answer, and a challenge that goes with it."""

    runs: tuple[Run, ...] = ()
    replies: tuple[Reply, ...] = ()
    challenge: Challenge | None = None


def way_of(case: Case) -> Way | None:
    """The conversation a message came in on, None when it cannot be answered there."""
    return Way(case.message.reply_to, case.message.thread) if case.message.reply_to else None


def receipt_of(case: Case, file: str, state: str) -> Receipt:
    """The journal's line about a message."""
    thread = case.message.thread
    return Receipt(
        id=case.id,
        file=file,
        arrived=(case.stamp.arrived if case.stamp else case.now).timestamp(),
        door=case.stamp.door if case.stamp else "",
        kind=case.message.kind.value,
        person=case.verdict.person,
        sender=case.verdict.sender or case.message.sender,
        proof=case.verdict.proof.value,
        verdict=case.word,
        reason=case.reason,
        calls=tuple(tuple(call.words) for call in case.calls),
        sent=case.verdict.sent.timestamp() if case.verdict.sent else None,
        reply_to=case.message.reply_to,
        thread={
            "subject": thread.subject,
            "in_reply_to": thread.in_reply_to,
            "references": list(thread.references),
        },
        checks=case.verdict.checks,
        state=state,
    )


@dataclass(frozen=True, slots=True)
class Record:
    """Writes the record of messages; each method is one transaction, on the disk on return."""

    db: Database
    outbox: Outbox

    async def claim(self, case: Case, file: str, run: Run) -> Run | None:
        """Note that a change begins, before it does; with the first the message's keys are taken.

        Returns an earlier run when the very same was asked a moment ago: then nothing is claimed
        and its outcome is the answer. Raises Repeated for a message that was seen before, and
        NotAllowed when what was decided does not hold any more: the code was used meanwhile, or a
        later message was carried out first.
        """
        arrived = (case.stamp.arrived if case.stamp else case.now).timestamp()
        people_here = self.outbox.envelopes.config.people
        asked, place = _changes(case.steps), len(_changes(case.steps[: run.n]))

        def write(conn: sqlite3.Connection) -> Run | None:
            _take_keys(conn, case, file)
            since = min(case.now.timestamp(), run.started) - SAME_SECONDS
            same = runs.repeated(conn, run, asked, place, people_here, since)
            if same is not None:
                return same
            if runs.overtaken(conn, run, arrived):
                text = f"{run.words[0]}: not done, a later one was done first. Text it again."
                raise Overtaken(text)
            runs.start(conn, run)
            if case.confirmed is not None and not confirm.use(conn, case.confirmed, run.started):
                raise WrongCode("This code was used, cancelled, or is too old. Nothing was done.")
            return None

        return await self.db.write(write)

    async def note(self, run: Run) -> None:
        """Note the outcome of a change that is not the last call of its message."""
        await self.db.write(lambda conn: runs.finish(conn, run))

    async def conclude(
        self, case: Case, file: str, done: Done, *, answered: bool = True
    ) -> tuple[State, Due | None]:
        """Outcome and reply in one transaction; the file's last folder, and the reply to be sent.

        `answered` False is for who reads the reply on a terminal: it is noted and not sent.
        """
        state = State.EXECUTED if case.word in ("run", "confirm") else State.REFUSED
        receipt = receipt_of(case, file, state.value)
        own, now = way_of(case), max([case.now.timestamp(), *(run.ended or 0 for run in done.runs)])
        answer = _answer(case, done) if answered else None
        sealed = await self.outbox.seal(answer, own, now) if answer else None

        def write(conn: sqlite3.Connection) -> Due | None:
            first = receipts.find_same(conn, case.verdict.keys, case.id)
            if first is not None:
                raise Repeated(case, first)
            receipts.store(conn, receipt, case.verdict.keys if case.verdict.person else _key(case))
            for run in done.runs:
                runs.finish(conn, run)
            if done.challenge is not None:
                _issue(conn, case, done.challenge)
            if answered:
                _use_way(conn, case, own, now)
            return self.outbox.queue(conn, answer, own, now, sealed) if answer else None

        return state, await self.db.write(write)

    async def refuse_repeat(self, repeated: Repeated, file: str) -> None:
        """Note a message that was seen before; it is not answered again."""
        case = repeated.case
        receipt = receipt_of(case, file, State.REFUSED.value)
        checks = {**receipt.checks, "replay": f"of {repeated.first}"}
        await self._store(receipt, verdict="refuse", reason="replay", checks=checks)

    async def fail(self, identity: str, file: str, case: Case | None, now: float) -> None:
        """Note a message that we broke on; whoever is known to have sent it gets one sentence.

        Not so who would hear nothing of it anyway, such as a machine.
        """

        def write(conn: sqlite3.Connection) -> None:
            receipt = receipts.find(conn, identity)
            if case and (receipt is None or receipt.state == "waiting"):
                receipt = receipt_of(case, file, State.FAILED.value)
            receipt = receipt or Receipt(identity, file, now, "")
            keys = case.verdict.keys if case and case.person else ()
            receipts.store(conn, replace(receipt, state=State.FAILED.value), keys)
            for run in runs.of(conn, identity):
                if run.outcome is None:
                    runs.finish(conn, run._replace(ended=now, outcome="failed"))
            if case and case.silent:
                return  # an answer to a machine would be answered by a machine
            if receipt.person and receipt.proof != Proof.CLAIMED.value:
                text = f"Something broke here. It may not have been done. Log {identity[:4]}."
                self._send(conn, receipt, text, now)

        await self.db.write(write)

    async def defer(self, receipt: Receipt) -> None:
        """Note that a message waits in work/ for an answer of DNS."""
        await self._store(receipt)

    async def _store(self, receipt: Receipt, **changes: object) -> None:
        whole = replace(receipt, **changes)  # type: ignore[arg-type]
        await self.db.write(lambda conn: receipts.store(conn, whole))

    async def conclude_interrupted(self, receipt: Receipt, now: float) -> None:
        """Tell the truth about a message that was cut off by a crash: it may have run."""

        def write(conn: sqlite3.Connection) -> None:
            self._send(conn, receipt, interrupted(conn, receipt, now, " by a restart"), now)

        await self.db.write(write)

    def _send(self, conn: sqlite3.Connection, receipt: Receipt, text: str, now: float) -> None:
        """One sentence about a message that is known from the journal only."""
        answer = Answer(receipt.person or "", [Reply(text)], "reply", receipt.id)
        self.outbox.queue(conn, answer, way_of_receipt(receipt), now)


def interrupted(conn: sqlite3.Connection, receipt: Receipt, now: float, by: str = "") -> str:
    """Conclude a message that was cut off, ` by a restart` or else; what is known of it."""
    told, last = [], -1
    for run in runs.of(conn, receipt.id):
        if run.outcome is None:
            text = f"{run.words[0]} was interrupted{by}. It may have been done."
            run = run._replace(ended=now, outcome="interrupted", text=text)
            runs.finish(conn, run)
        told.append(run.text)
        last = run.n
    if last + 1 < len(receipt.calls):  # a look before it has no run
        told.append("The rest was not run." if told else "Nothing was done.")
    receipts.store(conn, replace(receipt, state=State.EXECUTED.value))
    return f"{' '.join(told)} Log {receipt.id[:4]}."


def _take_keys(conn: sqlite3.Connection, case: Case, file: str) -> None:
    """Store the receipt as started, once, with the keys nobody else may have."""
    first = receipts.find_same(conn, case.verdict.keys, case.id)
    if first is not None:
        raise Repeated(case, first)
    receipts.store(conn, receipt_of(case, file, "started"), case.verdict.keys)


def _changes(steps: Sequence[Step]) -> list[tuple[str, ...]]:
    """The words of those that change something."""
    return [tuple(step.call.words) for step in steps if step.decision.risk is not Risk.LOOK]


def _key(case: Case) -> tuple[str, ...]:
    """The key of a dropped file that is nobody's: who put it there may wait to hear of it."""
    stamp = case.stamp
    return (f"drop:{stamp.key}",) if stamp and stamp.door == "drop" and stamp.key else ()


def _issue(conn: sqlite3.Connection, case: Case, challenge: Challenge) -> None:
    words = tuple(case.steps[0].call.words)
    codes.issue(
        conn,
        case.person,
        challenge.code,
        words,
        case.id,
        case.now.timestamp(),
        challenge.expires,
    )


def _answer(case: Case, done: Done) -> Answer | None:
    """The one reply to a message; strangers have none."""
    if not done.replies or not case.person:
        return None
    kind: Kind = "reply" if done.challenge is None else "challenge"
    return Answer(case.person, done.replies, kind, case.id)


def _use_way(conn: sqlite3.Connection, case: Case, own: Way | None, now: float) -> None:
    """Note that a person texts on this conversation."""
    if own is None or not own.texted or case.word == "ignore" or not case.person:
        return
    verdict = case.verdict
    way = KnownWay(own.address or "", verdict.sender or "", verdict.token, now)
    people.use_way(conn, case.person, way)


def way_of_receipt(receipt: Receipt) -> Way | None:
    """The conversation of a message that is known from the journal only."""
    if not receipt.reply_to:
        return None
    thread = receipt.thread
    return Way(
        receipt.reply_to,
        Thread(
            str(thread.get("subject", "")),
            str(thread.get("in_reply_to", "")),
            tuple(thread.get("references", ())),
        ),
    )
