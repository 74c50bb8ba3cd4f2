"""Performing a decided call: its means, its time limit, and the challenge before a danger."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from housecarl.answer import answer
from housecarl.commands import Command
from housecarl.config import Config
from housecarl.confirm import make_challenge
from housecarl.errors import CommandError
from housecarl.execute import Outcome, execute, is_cancelled
from housecarl.judge import Case, Step
from housecarl.means import CallMeans, JournalStore, Workshop
from housecarl.module import Reply
from housecarl.record import Done, way_of
from housecarl.septets import plain, septets

log = structlog.get_logger()


class Performer:
    """Gives each call its means and carries it out under its time limit."""

    def __init__(self, config: Config, workshop: Workshop) -> None:
        self._config = config
        self._workshop = workshop

    async def perform(self, case: Case, step: Step) -> Outcome:
        """Carry out one call, whatever the command does.

        Raises StorageError when what it leaves to go on in the background cannot be noted: then
        that has not begun, and its sender is not to wait for the end of it.
        """
        means = self._means(case, step)
        call, limit = replace(step.call, id=case.id, means=means), self._limit(step.command)
        outcome = await execute(
            step.command, step.args, call, timeout=limit, watch=self._workshop.watch
        )
        for noted in means.notes:
            await noted
        return outcome

    async def challenge(self, case: Case) -> Done:
        """The sentence and the code that stand between a danger and its being done."""
        step = case.steps[0]
        try:
            sentence = await self._sentence(case, step)
        except CommandError as error:
            return Done(replies=(Reply(str(error)),))
        now = case.now.timestamp()
        challenge = make_challenge(self._config, case.person, now)
        until = datetime.fromtimestamp(challenge.expires, UTC)
        clock = f"{until.astimezone(ZoneInfo(self._config.timezone)):%H:%M}"
        typed, code = self._config.facts.typed, challenge.code
        asked = typed("yes", code) if code else f"{typed('yes')} and the code of your app"
        how = f"Text {asked} before {clock}"
        text = f"{sentence} {how}."
        if septets(plain(text)) > self._config.limits.reply_septets:
            text = f"{how}: {sentence}"  # later pages may wait, or be those of another answer
        return Done(replies=(Reply(text),), challenge=challenge)

    async def _sentence(self, case: Case, step: Step) -> str:
        """What the command itself says before the code; a CommandError of it is the answer."""
        rule = step.command.spec.confirm
        if rule is None:
            return f"{' '.join(step.call.words)}?"
        step.args.call = replace(step.call, id=case.id, means=self._means(case, step))
        try:
            with self._workshop.watching(step.command.name, step.command.file):
                async with asyncio.timeout(self._limit(step.command)):
                    said = rule(step.args)
                    return answer(await said if inspect.isawaitable(said) else said).text
        except CommandError:
            raise
        except BaseException as error:
            if is_cancelled(error):
                raise
            log.exception("confirm-failed", command=step.command.name, id=case.id[:4])
            raise CommandError(
                f"{step.command.name} cannot be prepared. Nothing was done. Log {case.id[:4]}."
            ) from error

    def _limit(self, command: Command) -> float:
        """Seconds for a call, and for the sentence before it."""
        return self._config.time_limit(command.name, command.spec.timeout)

    def _means(self, case: Case, step: Step) -> CallMeans:
        command = step.command
        return CallMeans(
            workshop=self._workshop,
            store=JournalStore(self._workshop.db, command.module, self._workshop.clock),
            person=case.person,
            command=command.name,
            receipt=case.id,
            way=way_of(case),
            file=command.file,
            ended=partial(self._config.ended, case.person),
        )
