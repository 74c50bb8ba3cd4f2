"""What a start does with the messages of the last life: the journal decides, the folders follow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from housecarl import life
from housecarl.clock import Clock
from housecarl.commands import Command
from housecarl.envelope import Answer, Way
from housecarl.errors import StorageError
from housecarl.execute import is_cancelled
from housecarl.journal import Database, receipts, runs, values
from housecarl.journal.receipts import Receipt
from housecarl.journal.text import parsed
from housecarl.lock import Lock
from housecarl.means import BACKGROUND, FIELDS, CallMeans, JournalStore, Workshop, note_of
from housecarl.message.model import Thread
from housecarl.message.name import arrival_of, id_of
from housecarl.module import Call, House, InterruptedRule, Reply
from housecarl.notify import Progress
from housecarl.record import Record, interrupted, way_of_receipt
from housecarl.spool import Spool, State
from housecarl.suspects import Suspects
from housecarl.worker import Worker

log = structlog.get_logger()

#: Seconds for which the doors stay shut while messages are carried alone that may end the daemon.
SUSPECTS_SECONDS = 10.0

#: Seconds between two looks whether a verb of the command line is still at its work.
LOOK_SECONDS = 2.0

#: Seconds in which a command finds out what became of its work: a flash takes 232 and an answer.
RULE_SECONDS = 600.0

#: Files the journal is asked about at once: a backlog of thousands keeps no door shut for minutes.
ASKED = 500

#: The check that says which process is at a `try`.
PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Recovery:
    """Brings spool and journal together once, before the doors open."""

    spool: Spool
    db: Database
    record: Record
    workshop: Workshop
    clock: Clock
    worker: Worker
    find: Callable[[str], Command | None]
    house: House
    progress: Progress = field(default_factory=Progress)

    async def recover(self, lock: Lock) -> None:
        """Finish or tell what was begun in new/ and work/; then offer what was not.

        What a life left that was killed, by the `lock` of the spool, may be what ended it.
        """
        fresh: list[str] = []
        await self._end_begun()
        there = await self._find()
        names = sorted(there)
        for start in range(0, len(names), ASKED):
            fresh += await self._settle_some(names[start : start + ASKED], there)
            self.progress("taking up what the last life left")
        suspects = Suspects(self.db, self.worker.see_through, self.worker.give_up)
        fresh = await suspects.sort(fresh, killed=lock.former_killed)
        lock.former_killed = False
        await self._tell_background()
        if suspects.any:  # else the others would be blamed, and overtake them
            alone = self._later(suspects.run(), "suspects")
            await asyncio.wait((alone,), timeout=SUSPECTS_SECONDS)
            self._later(_carry_rest(suspects, alone), "suspects that wait")
        for name in fresh:
            self.worker.offer(name)

    def _later(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self.workshop.questions.add(task)
        task.add_done_callback(self.workshop.questions.discard)
        return task

    async def _find(self) -> dict[str, State]:
        """The messages in new/ and work/, and in which of them.

        One in both, as in a copy of the folders that was made while it was moved, is one message.
        """
        found: dict[str, State] = {}
        for state in (State.NEW, State.WORK):
            names = await self.spool.waiting(state)
            ours = [name for name in names if arrival_of(name) is not None]
            await self._keep({*names}.difference(ours), state)
            for name in ours:
                if name in found:
                    self.spool.move(name, State.NEW, state)
                found[name] = state
        await self.spool.settle()  # moves of one file become one, which would leave the other copy
        return found

    async def _keep(self, names: Set[str], state: State) -> None:
        """Leave foreign files to a person: in failed/, or here beside a namesake there."""
        kept = frozenset(await self.spool.waiting(State.FAILED)) if names else frozenset[str]()
        for name in names:
            log.warning("foreign-file", folder=state.value, file=name)
            if name not in kept:
                self.spool.move(name, state, State.FAILED)

    async def _settle_some(self, names: Sequence[str], there: Mapping[str, State]) -> list[str]:
        """Some of these files; returns the names of those that are to be carried now."""
        ids = [id_of(name) for name in names]
        known = await self.db.read(lambda conn: receipts.find_all(conn, ids))
        return [
            name
            for name, identity in zip(names, ids, strict=True)
            if identity not in known or await self._settle(name, there[name], known[identity])
        ]

    async def _settle(self, name: str, state: State, receipt: Receipt) -> bool:
        """One file: its message is over, move it. Returns whether it is to be carried instead."""
        if receipt.state == "waiting":
            return True  # however long its pause: those that came after it are carried now, too
        if receipt.state in [*State]:
            self.spool.move(name, state, State(receipt.state))
        else:
            log.error("state-damaged", id=receipt.id[:4], file=name)
            self.spool.move(name, state, State.FAILED)
        return False

    async def _end_begun(self) -> None:
        """What was begun and never finished is told, from the journal: its file may be gone.

        So it is in a copy of the folders that is older than the journal. A `try` has none.
        """
        now = self.clock.now().timestamp()
        left = await self.db.read(receipts.find_open)
        for receipt in (each for each in left if each.state == "started"):
            mark: dict[str, Any] = parsed(
                receipt.checks.get(PROCESS, "{}"), {}, "receipts", PROCESS
            )
            if receipt.door != "try":
                await self._interrupted(receipt)
            elif not life.runs(mark):
                # sent to nobody: the answer of a `try` is read on a terminal
                await self.db.write(partial(interrupted, receipt=receipt, now=now))
                log.warning("interrupted", id=receipt.id[:4], person=receipt.person)

    async def _interrupted(self, receipt: Receipt) -> None:
        await self._ask_later(receipt)
        await self.record.conclude_interrupted(receipt, self.clock.now().timestamp())
        log.warning("interrupted", id=receipt.id[:4], person=receipt.person)

    async def _ask_later(self, receipt: Receipt) -> None:
        """Note commands that can tell what became of them, unless their own work is noted."""
        left = await self.db.read(lambda conn: runs.of(conn, receipt.id))
        noted = await self.db.read(lambda conn: values.notes(conn, BACKGROUND, FIELDS))
        for run in left:
            name = run.words[0]
            key = f"{receipt.id}.{run.n}"
            own = any(note["receipt"] == receipt.id for note in noted.values())
            if run.outcome is None and not own and self._rule(name) is not None:
                note = note_of(run.person, name, receipt.id, way_of_receipt(receipt))
                await self.workshop.remember(key, {**note, "told": True})

    async def _tell_background(self) -> None:
        """Work that went on after its reply and was cut off: find out and say so, once."""
        left = await self.db.read(lambda conn: values.notes(conn, BACKGROUND, FIELDS))
        for key, note in left.items():
            if self._rule(note["command"]) is None:
                if not _elsewhere(note):
                    await self._tell(key, note, None)
                continue
            self._later(self._ask(key, note), f"interrupted {note['command']}")

    def _rule(self, name: str) -> InterruptedRule | None:
        command = self.find(name)
        return command.spec.interrupted if command is not None else None

    async def _ask(self, key: str, note: dict[str, Any]) -> None:
        """Let the command find out what became of its work, and tell that.

        A verb of the command line that is still at it is let finish: then it took its note away.
        """
        while _elsewhere(note):  # noqa: ASYNC110 - the end of a stranger's process has no event
            await asyncio.sleep(LOOK_SECONDS)
        command, reply = self.find(note["command"]), None
        if command is None or command.spec.interrupted is None:
            return
        store = JournalStore(self.db, command.module, self.clock)
        person, name, receipt = note["person"], note["command"], note["receipt"]
        means = CallMeans(self.workshop, store, person, name, receipt, _way(note))
        call = Call(
            name,
            person=person,
            id=receipt,
            settings=command.settings,
            house=self.house,
            means=means,
        )
        with suppress(StorageError):  # then the next start asks again
            if await self.db.read(lambda conn: values.get(conn, BACKGROUND, key)) is None:
                return
            try:
                async with asyncio.timeout(RULE_SECONDS):
                    reply = await command.spec.interrupted(call)
            except StorageError:
                raise
            except BaseException as error:
                if is_cancelled(error):
                    raise
                log.exception("interrupted-failed", command=name, id=receipt[:4])
            await self._tell(key, note, reply)

    async def _tell(self, key: str, note: dict[str, Any], reply: Reply | None) -> None:
        """Say what became of it; what is not known is said once, with the message or here."""
        receipt = str(note["receipt"])
        if reply is None and not note.get("told"):
            reply = Reply(f"{note['command']} was interrupted by a restart. Log {receipt[:4]}.")
        answer = None
        if reply is not None:
            # each by its own key: of two mails with one Message-ID a mail host keeps one
            part = f"interrupted-{key.rpartition('.')[2]}"
            answer = Answer(note["person"], [reply], "follow-up", receipt, part=part)
            if await self.db.read(lambda conn: receipts.find(conn, receipt)) is None:
                # no message asked for it, so there is no log of it to look up
                answer = Answer(note["person"], [reply], "alert", part=key)
        await self.workshop.conclude(key, answer, _way(note))


def _elsewhere(note: dict[str, Any]) -> bool:
    """Whether another process is still at the work that was noted."""
    return life.runs(note) and not life.ours(note)


def _way(note: dict[str, Any]) -> Way | None:
    if not note["address"]:
        return None
    references: list[Any] = parsed(note["references"], [], "stored", BACKGROUND)
    thread = Thread(note["subject"], note["in_reply_to"], tuple(map(str, references)))
    return Way(note["address"], thread)


async def _carry_rest(suspects: Suspects, first: asyncio.Task[None]) -> None:
    """Those for which DNS takes its time, whom nobody waits for."""
    await asyncio.wait((first,))
    while suspects.any:
        await suspects.run()
