"""The worker: carries one message through every step, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import structlog

from housecarl.admit import Admission
from housecarl.clock import Clock
from housecarl.confirm import LOCK_MISSES
from housecarl.crew import Crew
from housecarl.errors import (
    AnswerPending,
    MessageGone,
    MessageUnread,
    NotAllowed,
    StorageError,
    TrustLater,
)
from housecarl.execute import Outcome
from housecarl.journal.replies import Due
from housecarl.journal.runs import Run
from housecarl.judge import Case, Judge, Step
from housecarl.limits import Limits
from housecarl.message import gmail_confirmation
from housecarl.message.model import Kind
from housecarl.message.name import id_of
from housecarl.module import Reply, Risk
from housecarl.parked import Answered, Parked
from housecarl.record import Done, Record, Repeated
from housecarl.spool import Spool, State
from housecarl.stranded import Stranded
from housecarl.verdict import Proof

log = structlog.get_logger()

#: Seconds a stop waits for the commands that run; what is cut off is told at the next start.
STOP_SECONDS = 25.0

#: Refusals that a clock which is not set yet may be the only reason for.
CLOCK_REASONS = frozenset("late stale future expired no-proof no-time until".split())

Perform = Callable[[Case, Step], Awaitable[Outcome]]
Challenge = Callable[[Case], Awaitable[Done]]
Postpone = Callable[[str, str], Awaitable[None]]


@dataclass(slots=True)
class Worker:
    """Takes names of messages and carries each through every step.

    `perform` executes one decided call, `challenge` makes the code for a danger, `postpone` keeps a
    message for later while a check has no answer. A storage fault shows in `trouble`: nothing more
    is begun, and the restart path takes over. `carried` counts the messages that are over.
    """

    spool: Spool
    judge: Judge
    admission: Admission
    limits: Limits
    record: Record
    perform: Perform
    challenge: Challenge
    postpone: Postpone
    clock: Clock
    send: Callable[[Due | None], None]
    tell: Callable[[str, bool, str], Awaitable[None]]
    alert: Callable[[Reply], Awaitable[None]]
    trouble: asyncio.Future[StorageError] = field(init=False)
    carried: int = field(init=False, default=0)
    _crew: Crew = field(init=False)
    _in_hand: dict[str, Case] = field(init=False, default_factory=dict)
    _parked: Parked = field(init=False)
    _stranded: Stranded = field(init=False)

    def __post_init__(self) -> None:
        self._crew = Crew(self._carried)
        self._parked = Parked(self.offer)
        self._stranded = Stranded(self.tell)

    async def start(self) -> None:
        """Begin to carry."""
        self.trouble = asyncio.get_running_loop().create_future()
        self._crew.start()

    async def stop(self) -> None:
        """Finish what is in hand, bounded; what waits stays where it is."""
        await self._crew.stop(STOP_SECONDS)
        self._parked.stop()

    def offer(self, name: str) -> None:
        """A message that is safe in new/ or work/ and waits to be carried."""
        self._crew.offer(name)

    async def see_through(self, name: str) -> Answered | None:
        """Carry a message; what it waits for, when DNS takes its time.

        Then it is offered to nobody.
        """
        await self._crew.see_through(name)
        return self._parked.take(name)

    @property
    def waiting(self) -> int:
        """Messages that no carrier has in hand."""
        return self._crew.waiting

    async def idle(self) -> None:
        """Return once nothing waits and nothing is in hand."""
        await self._crew.idle()
        while self._parked:
            await self._parked.answered()
            await self._crew.idle()

    async def carry(self, name: str) -> None:
        """One message through every step; a door and the spool have done 1 receive and 2 put."""
        stamp, raw = await self.spool.take(name)  # 3 take: new/ -> work/
        await self._stranded.found(name)
        known = self.clock.synchronised()  # first: it may be set while DNS is asked
        case = await self.judge.judge(id_of(name), raw, stamp, self.clock.now())  # 4 read, 5 verify
        self._in_hand[name] = case
        if not known:
            _wait_for_clock(case)
        case = self.limits.admit(await self.admission.admit(case))  # 6 parse, 7 decide
        self._in_hand[name] = case  # who is to hear of it when we break on it
        await self._tell_owner(case)
        async with self._turn(case):
            if self.trouble.done():  # what came before it is done by the next life, and this too
                raise self.trouble.result()
            done = await self.run(case, name)  # 8 claim, 9 execute
        state, reply = await self.record.conclude(case, name, done)  # 10 outcome and reply
        self.spool.move(name, State.WORK, state)  # 11 file
        if done.replies:
            self.send(reply)  # 12 send
        _tell(case, done)

    async def _tell_owner(self, case: Case) -> None:
        """What concerns the owner whoever sent it: a forwarding to confirm, a lock-out."""
        if case.message.kind is Kind.CONFIRMATION and case.verdict.proof is not Proof.CLAIMED:
            text = gmail_confirmation.told(case.message, case.id[:4])
            await self.tell("confirmation", True, text)
            log.info("confirmation", text=text)
        if case.reason == "locked":
            text = f"{case.person} sent wrong codes {LOCK_MISSES} times: codes are off for an hour."
            await self.alert(Reply(f"{text} Lost phone? housecarl person off {case.person}"))

    async def run(self, case: Case, name: str) -> Done:
        """Each call in turn; or the challenge, or the sentence that says why not."""
        if case.doubtful:
            return self._doubt(case)
        if case.word == "confirm":
            return await self.challenge(case)
        if case.word != "run":
            return Done(replies=(Reply(case.text),) if case.text else ())
        runs: list[Run] = []
        replies: list[Reply] = []
        for n, step in enumerate(case.steps):
            run, reply = await self._call(case, name, n, step)
            runs.append(run)
            if reply.text:  # none for a person who was switched off meanwhile
                replies.append(reply)
        return Done(tuple(runs), tuple(replies))

    async def _call(self, case: Case, name: str, n: int, step: Step) -> tuple[Run, Reply]:
        """One call; a change is claimed before it begins, its outcome noted before the next."""
        risk = step.decision.risk
        words = tuple(step.call.words)
        run = Run(case.id, n, words, case.person, risk.value, self.clock.now().timestamp())
        if risk is not Risk.LOOK:
            overtaken = self.judge.overtaken(case, step, self.clock.now())
            if overtaken is not None:
                return self._refused(run, overtaken.reason or "", overtaken.text)
            try:
                same = await self.record.claim(case, name, run)
            except NotAllowed as gone:
                return self._refused(run, gone.reason, str(gone))
            if same is not None:
                return self._same(run, same)
        outcome = await self.perform(case, step)
        run = self._end(run, outcome.state, outcome.reply.text, outcome.detail)
        if risk is not Risk.LOOK and n + 1 < len(case.steps):
            await self.record.note(run)
        return run, outcome.reply

    def _doubt(self, case: Case) -> Done:
        """What may have run before the journal was lost is not run, and its sender hears that."""
        now, names = self.clock.now().timestamp(), ", ".join(call.name for call in case.calls)
        text = f"{names} was interrupted: my journal was damaged. It may have been done."
        runs = (
            Run(case.id, n, tuple(call.words), case.person, Risk.CHANGE.value, now)
            for n, call in enumerate(case.calls)
        )
        ended = tuple(self._end(run, "interrupted", text, "the journal was lost") for run in runs)
        return Done(ended, (Reply(f"{text} Log {case.id[:4]}."),))

    def _same(self, run: Run, earlier: Run) -> tuple[Run, Reply]:
        """The answer to a change that was asked for a moment ago: what came of it then."""
        said = "Already done" if earlier.outcome == "done" else "Just tried"
        text = f"{said}: {earlier.text}" if earlier.ended else f"{run.words[0]} is under way."
        return self._refused(run, f"the same as {earlier.receipt}", text)

    def _refused(self, run: Run, why: str, text: str) -> tuple[Run, Reply]:
        """A call that was not carried out after all: it did no more than a look."""
        return self._end(run._replace(risk=Risk.LOOK.value), "refused", text, why), Reply(text)

    def _end(self, run: Run, outcome: str, text: str, detail: str) -> Run:
        ended = self.clock.now().timestamp()
        return run._replace(ended=ended, outcome=outcome, text=text, detail=detail)

    def _turn(self, case: Case) -> AbstractAsyncContextManager[None]:
        """Changes of one person happen one after another; who only looks need not wait."""
        changes = any(step.decision.risk is not Risk.LOOK for step in case.steps)
        return self._crew.turn(case.person if changes and case.word == "run" else None)

    async def _carried(self, name: str, work: Awaitable[None] | None = None) -> bool:
        """Carry a message, or other `work` with it, whatever it does; False when the disk fails."""
        try:
            await self._safely(name, work or self.carry(name))
        except StorageError as error:
            if not self.trouble.done():
                self.trouble.set_result(error)
            return False
        except Exception:  # noqa: BLE001 - whatever it is, the next message is served
            await self._stranded.stuck(name)
        finally:
            self.carried += 1
        return True

    async def _safely(self, name: str, work: Awaitable[None]) -> None:
        """Do something with a message; whatever it does to us, the next one is served."""
        try:
            await work
        except MessageGone:
            log.warning("message-gone", id=id_of(name)[:4], file=name)
            await self._stranded.found(name)
        except MessageUnread as unread:
            await self.postpone(name, str(unread))
            await self._stranded.unread(name, str(unread))
        except Repeated as repeated:
            self.limits.take_back(repeated.case)
            await self.record.refuse_repeat(repeated, name)
            self.spool.move(name, State.WORK, State.REFUSED)
            log.info("repeated", id=id_of(name)[:4], first=repeated.first[:4])
        except TrustLater as later:
            await self.postpone(name, str(later))
        except AnswerPending as pending:
            self._parked.add(name, pending.answered)
        except (StorageError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("failed", id=id_of(name)[:4], file=name)
            await self._fail(name, self._in_hand.get(name))
        finally:
            self._in_hand.pop(name, None)

    async def give_up(self, name: str, ask: bool) -> Answered | None:
        """Keep a message for a person that ended us each time; `ask` who is to hear of it.

        Returns as `see_through` does.
        """
        await self._carried(name, self._give_up(name, ask))
        return self._parked.take(name)

    async def _give_up(self, name: str, ask: bool) -> None:
        case = None
        if ask:
            stamp, raw = await self.spool.take(name)
            case = await self.judge.judge(id_of(name), raw, stamp, self.clock.now())
        log.error("given-up", id=id_of(name)[:4], file=name)
        await self._fail(name, case)

    async def _fail(self, name: str, case: Case | None) -> None:
        """We broke on it: its sender is told, where they are known."""
        await self.record.fail(id_of(name), name, case, self.clock.now().timestamp())
        self.spool.move(name, State.WORK, State.FAILED)
        self.send(None)


def _wait_for_clock(case: Case) -> None:
    """TrustLater for what depends on an age, which a clock that may be wrong tells wrong."""
    changes = any(step.decision.risk is not Risk.LOOK for step in case.steps)
    frees = any(call.name == "yes" for call in case.calls)
    if case.verdict.person and case.calls and (changes or frees or case.reason in CLOCK_REASONS):
        raise TrustLater("the clock is not set yet")


def _tell(case: Case, done: Done) -> None:
    """One log line for each message."""
    log.info(
        case.word if not done.runs else "carried",
        id=case.id[:4],
        person=case.person or None,
        reason=case.reason,
        calls=[call.name for call in case.calls] or None,
        outcome=[run.outcome for run in done.runs] or None,
    )
