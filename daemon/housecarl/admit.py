"""What the journal has to say before a message is carried out: its conversation, its code."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection

import structlog

from housecarl import confirm
from housecarl.confirm import Confirmation
from housecarl.errors import SecretError
from housecarl.journal import Database, people, receipts
from housecarl.judge import Case, Judge
from housecarl.module import Call, Risk
from housecarl.record import Repeated
from housecarl.rights import Decision
from housecarl.secret import Secret

#: Reasons that hold only now: before the journal was lost the same message may have been in time.
_LATE = ("late", "stale")

log = structlog.get_logger()


class Admission:
    """Checks a judged message against the journal; what it changes is what `!yes` stands for.

    `doubted` are the ids of messages that waited when a damaged journal was lost.
    """

    def __init__(self, db: Database, judge: Judge, doubted: Collection[str]) -> None:
        self._db = db
        self._judge = judge
        self._doubted = doubted

    async def admit(self, case: Case) -> Case:
        """The case as it is to be carried out; raises Repeated for a file or a code seen before."""
        if case.stamp is not None and case.stamp.door == "drop":
            await self._db.read(lambda conn: _see_new(conn, case))
        doubtful = case.id in self._doubted and may_have_run(case)
        decided = doubtful or case.word in ("run", "confirm")
        if (decided or case.text) and await self._foreign_conversation(case):
            return case._replace(word="refuse", reason="token", text="", steps=())
        if doubtful:
            return case._replace(word="run", reason="interrupted", steps=(), doubtful=True)
        if decided and case.calls[0].name == "yes":
            return await self._redeem(case)
        return case

    async def _foreign_conversation(self, case: Case) -> bool:
        """Whether a text came on another conversation than the one pinned for its numbers."""
        token, sender = case.verdict.token, case.verdict.sender
        address = case.message.reply_to
        if not token or sender is None or address is None:
            return False
        known = await self._db.read(lambda conn: people.pinned(conn, case.person, sender, address))
        return known is not None and known != token

    async def _redeem(self, case: Case) -> Case:
        """`!yes CODE` becomes the command that the code was sent for."""
        typed = case.steps[0].args.code
        person = self._judge.config.people[case.person]
        now = case.now.timestamp()
        # its disk may give nothing for seconds, and all others wait for a write
        secret = await asyncio.to_thread(_app_secret, person.totp) if person.totp else None

        def find(conn: sqlite3.Connection) -> Confirmation | confirm.WrongCode:
            _see_new(conn, case)  # before it is counted as a wrong code
            if isinstance(secret, SecretError):
                raise secret
            found = confirm.find(conn, case.person, typed, case.id, now, secret)
            if isinstance(found, confirm.WrongCode):
                # seen from now on: another door may bring a copy of it before it is over
                receipts.take(conn, case.verdict.keys, case.id, now)
            return found

        try:
            found = await self._db.write(find)
        except SecretError as error:
            mend = f"housecarl person totp {case.person}"
            log.error("code-unchecked", person=case.person, why=str(error), mend=mend)
            text = "Codes of your app cannot be checked here. Nothing was done."
            return case._replace(word="refuse", reason="no-secret", text=text, steps=())
        if isinstance(found, confirm.WrongCode):
            reason = "locked" if found.locked else found.reason
            return case._replace(word="refuse", reason=reason, text=str(found), steps=())
        name, *args = found.code.words
        asked = case._replace(calls=(Call(name, tuple(args)),))
        decided = self._judge.decide(asked)
        if decided.word == "refuse":
            return decided
        step = decided.steps[0]
        # as it was asked, whatever it is by now: to be claimed is what uses the code up
        freed = step._replace(decision=Decision("run", Risk.DANGER))
        return decided._replace(word="run", steps=(freed,), confirmed=found)


def _app_secret(named: Secret) -> str | SecretError:
    """The secret of an authenticator app, or what keeps it from being read."""
    try:
        return confirm.app_secret(named)
    except SecretError as error:
        return error


def _see_new(conn: sqlite3.Connection, case: Case) -> None:
    """Raise Repeated for what was seen before.

    A dropped file that ended the daemon before it was removed is taken again after each start.
    """
    first = receipts.find_same(conn, case.verdict.keys, case.id)
    if first is not None:
        raise Repeated(case, first)


def may_have_run(case: Case) -> bool:
    """Whether this message can have changed something before; what only looks may run again."""
    if not case.person or not case.calls or case.word in ("confirm", "ignore"):
        return False
    if case.word == "refuse":
        return case.reason in _LATE
    looks = all(step.decision.risk is Risk.LOOK for step in case.steps)
    return case.calls[0].name == "yes" or not looks
