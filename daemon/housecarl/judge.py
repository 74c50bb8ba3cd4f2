"""What is to become of one message: read, verify, parse, decide; nothing is run or stored here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from housecarl import aliases, rights, syntax
from housecarl.arguments import Args
from housecarl.commands import Command
from housecarl.config import Config
from housecarl.confirm import Confirmation
from housecarl.errors import CommandError, FormError, UnknownCommand
from housecarl.loop_watch import LoopWatch
from housecarl.message import gate, read_form
from housecarl.message.model import Kind, Message
from housecarl.message.stamp import Stamp
from housecarl.module import Call, Risk
from housecarl.registry import Registry
from housecarl.rights import Decision, Request
from housecarl.trust import Trust
from housecarl.verdict import Proof, Verdict

Word = Literal["run", "confirm", "refuse", "ignore"]

#: Characters of an unknown word that the answer repeats: enough to see the slip.
SHOWN = 20


class Step(NamedTuple):
    """One call of a message, bound to its command and decided."""

    call: Call
    command: Command
    args: Args
    decision: Decision


class Case(NamedTuple):
    """One message and everything decided about it.

    `id` is the message's own, `word` the verdict of `why`; `text` is what the sender reads when it
    is not run, empty for silence. `calls` are what was asked, also when nothing of it may run.
    `confirmed` is the code that set a danger free. `doubtful`: a lost journal may have known that
    it has run, so it never does now.
    """

    id: str
    stamp: Stamp | None
    message: Message
    verdict: Verdict
    now: datetime
    word: Word = "run"
    reason: str | None = None
    text: str = ""
    calls: tuple[Call, ...] = ()
    steps: tuple[Step, ...] = ()
    confirmed: Confirmation | None = None
    doubtful: bool = False

    @property
    def person(self) -> str:
        """The proven person; "" for a stranger, whoever they claim to be."""
        return (self.verdict.person or "") if self.verdict.proof is not Proof.CLAIMED else ""

    @property
    def silent(self) -> bool:
        """Whether nobody hears of it: nothing is to be run, and there is nothing to say."""
        return self.word not in ("run", "confirm") and not self.text


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges messages by a configuration; `off` tells who is switched off right now.

    `watch` names a command whose checks of arguments, or whose rule of its risk, block the loop.
    """

    config: Config
    trust: Trust
    registry: Registry
    off: Callable[[str], bool]
    watch: LoopWatch | None = None

    async def judge(self, identity: str, raw: bytes, stamp: Stamp | None, now: datetime) -> Case:
        """Everything that is decided about a message before anything is run.

        Raises TrustLater while a check has no answer.
        """
        try:
            form = gate(raw, needs_from=stamp is None or not stamp.local)
            read = read_form(form)
        except FormError as error:
            unread = Case(identity, stamp, Message(Kind.NONE), _unread(error), now)
            return unread._replace(word="refuse", reason="form")
        verdict = await self.trust.verify(form, read, stamp, now)
        case = Case(identity, stamp, read, verdict, now)
        if (silent := self._silence(case)) is not None:
            return silent
        return _of_job(self._answer(case))

    def _silence(self, case: Case) -> Case | None:
        """The cases that are never answered: no command in them, or nobody we know."""
        kind = case.message.kind
        if kind not in (Kind.SMS, Kind.MAIL):
            return case._replace(word="ignore", reason=kind.value)
        if not case.person:
            unknown = case.verdict.reason or "stranger"
            return case._replace(word="refuse", reason=unknown, calls=self._asked(case))
        ended = self._ended(case.person, case.now)
        return None if ended is None else case._replace(word="refuse", reason=ended)

    def _asked(self, case: Case) -> tuple[Call, ...]:
        """What a message asks that claims to be from one of us: for `why`, never to be run."""
        if case.verdict.person is None:
            return ()
        try:
            return self._parsed(case.message)
        except CommandError:
            return ()

    def _parsed(self, message: Message) -> tuple[Call, ...]:
        """The calls as they stand in a message; CommandError for the sender."""
        config = self.config
        return syntax.parse(message.text, message.subject, config.language, config.limits.lines)

    def _ended(self, name: str, now: datetime) -> str | None:
        """Why a person is not obeyed any more, if so."""
        if name not in self.config.people:
            return "stranger"
        if self.off(name):
            return "off"
        return "until" if self.config.ended(name, now) else None

    def _answer(self, case: Case) -> Case:
        """What is to be done for somebody we know."""
        try:
            calls = self._parsed(case.message)
        except CommandError as error:
            return case._replace(word="refuse", reason=error.reason, text=str(error))
        if not calls:
            return case._replace(word="ignore", reason="no-command")
        try:
            case = case._replace(calls=self._expanded(case.person, calls))
        except CommandError as error:
            why = str(error)
            return case._replace(calls=calls, word="refuse", reason=error.reason, text=why)
        if case.verdict.reason is not None:
            text = rights.too_old(case.verdict.sent, case.now, ZoneInfo(self.config.timezone))
            if case.verdict.reason == "no-key":
                text = rights.NO_KEY
            return case._replace(word="refuse", reason=case.verdict.reason, text=text)
        return self.decide(case)

    def _expanded(self, person: str, calls: tuple[Call, ...]) -> tuple[Call, ...]:
        """The calls with the aliases that are this person's written out."""
        own = {
            call.name: self.config.aliases[call.name]
            for call in calls
            if self.may_alias(person, call.name)
        }
        return aliases.expand(calls, own, self.config.language) if own else calls

    def decide(self, case: Case) -> Case:
        """Bind and decide each call; if one cannot run, none does."""
        if len(case.calls) > 1 and any(call.name == "yes" for call in case.calls):
            text = "yes must stand alone in its message. Nothing was done."
            return case._replace(word="refuse", reason="not-alone", text=text)
        steps = []
        for call in case.calls:
            try:
                step = self._step(case, call)
            except CommandError as error:
                return case._replace(word="refuse", reason=error.reason, text=str(error))
            if step.decision.word == "refuse":
                refusal = step.decision
                return case._replace(word="refuse", reason=refusal.reason, text=refusal.text)
            steps.append(step)
        word: Word = "confirm" if any(s.decision.word == "confirm" for s in steps) else "run"
        return case._replace(word=word, steps=tuple(steps))

    def rehearse(self, person: str, words: tuple[str, ...], now: datetime, due: datetime) -> None:
        """See that a person could run these words now, and is obeyed when they are due.

        Raises CommandError, worded for them.
        """
        if self._ended(person, due) is not None:
            raise CommandError("Your rights end before that. Nothing was done.")
        verdict = Verdict(person, proof=Proof.LOCAL, sent=now)
        case = Case("", None, Message(Kind.MAIL), verdict, now)
        calls = self._expanded(person, (Call(words[0].casefold(), words[1:]),))
        decided = self.decide(case._replace(calls=calls))
        if decided.word == "refuse":
            raise CommandError(decided.text)
        if decided.word == "confirm" or any(call.name == "yes" for call in calls):
            raise CommandError(f"{words[0]} needs a code, so it cannot be done later.")

    def _step(self, case: Case, call: Call) -> Step:
        command = self.find(case.person, call.name)
        whole = replace(
            call,
            name=command.name,
            person=case.person,
            proof=case.verdict.proof.value,
            door=case.stamp.door if case.stamp else "",
            settings=command.settings,
            house=self.config.facts,
        )
        rule = self.config.commands.get(command.name)
        with self.watch.watching(command.name, command.file) if self.watch else nullcontext():
            args = command.bind(whole)
            risk = rule.risk if rule and rule.risk else command.risk(args)
        return Step(whole, command, args, self._decision(case, command, risk, case.now))

    def _decision(self, case: Case, command: Command, risk: Risk, now: datetime) -> Decision:
        rule = self.config.commands.get(command.name)
        late = (rule.late if rule else None) or command.spec.late or self.config.trust.late
        request = Request(
            name=command.name,
            risk=risk,
            proof=case.verdict.proof,
            sent=case.verdict.sent,
            now=now,
            late=late,
            alone=len(case.calls) == 1,
        )
        zone = ZoneInfo(self.config.timezone)
        decision = rights.decide(request, zone)
        if decision.reason == "late" and request.sent and case.stamp and case.stamp.door == "job":
            due = f"{command.name} missed, it was due {request.sent.astimezone(zone):%d %b %H:%M}."
            decision = decision._replace(text=f"{due} Text it again if you still want it.")
        return decision

    def overtaken(self, case: Case, step: Step, now: datetime) -> Decision | None:
        """Why a call that had to wait is not to be run any more: for its person, or its age."""
        risk = step.decision.risk
        ended = self._ended(case.person, now)
        if ended is not None:
            return Decision("refuse", risk, ended)
        decision = self._decision(case, step.command, risk, now)
        return decision if decision.word == "refuse" else None

    def find(self, person: str, word: str) -> Command:
        """The command a person means; UnknownCommand tells nothing of what is not theirs."""
        command = self.registry.find(word)
        if command is not None and self.may(person, command):
            return command
        near = self.registry.suggest(word, [c.name for c in self.allowed(person)])
        hint = f"Did you mean {near}? " if near else ""
        shown = word if len(word) <= SHOWN else f"{word[:SHOWN]}..."
        raise UnknownCommand(
            f"No command {shown}. {hint}{self.config.language.symbol}help lists them."
        )

    def may(self, person: str, command: Command) -> bool:
        """Whether a person may use a command at all."""
        return rights.may_use(self.config.people[person].may, command.name, builtin=command.builtin)

    def may_alias(self, person: str, name: str) -> bool:
        """Whether a name is an alias of which a person may use every command.

        A command of that name goes first. What is wrong with an alias, or a command of it that is
        gone, is for who may everything to hear.
        """
        lines = self.config.aliases.get(name)
        if lines is None or self.registry.find(name) is not None:
            return False
        everything = "*" in self.config.people[person].may
        try:
            found = [self.registry.find(n) for n in aliases.names(lines, self.config.language)]
        except CommandError:
            return everything
        return all(self.may(person, command) if command else everything for command in found)

    def allowed(self, person: str) -> list[Command]:
        """The commands a person may use, by name."""
        commands = (self.registry.commands[name] for name in sorted(self.registry.commands))
        return [command for command in commands if self.may(person, command)]


def _of_job(case: Case) -> Case:
    """The case; who did not text anything just now is told which job it is that cannot be done."""
    if case.stamp is None or case.stamp.door != "job" or not case.text:
        return case
    number = case.stamp.key.removeprefix("job:").partition(":")[0]
    return case._replace(text=f"Job {number}: {case.text}")


def _unread(error: FormError) -> Verdict:
    """What is known of a message that did not pass the form gate: what was wrong with it."""
    return Verdict(reason="form", checks={"form": error.reason})
