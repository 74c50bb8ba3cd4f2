"""Carry out one bound call under its time limit; whatever the command does becomes an outcome."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import structlog

from housecarl import module_file, process
from housecarl.answer import answer, decode
from housecarl.arguments import Args
from housecarl.commands import Command
from housecarl.errors import CommandError, CommandFailed
from housecarl.loop_watch import LoopWatch
from housecarl.module import Call, Reply, Risk

log = structlog.get_logger()

#: seconds that a cancelled coroutine may take to clean up; after that it is left to itself
FAREWELL = 2.0
#: characters of a trace or of printed text that go to the operator
DETAIL = 8_192
#: hex digits of a message's id that a reply shows
SHORT_ID = 4

State = Literal["done", "failed", "timeout", "refused"]


class Outcome(NamedTuple):
    """What came of a call: `reply` for the sender, `detail` for the operator.

    done: it returned a reply; refused: it said no (CommandError); failed: it broke, or its answer
    cannot be sent; timeout: it was stopped at its time limit.
    """

    state: State
    reply: Reply
    detail: str = ""


async def execute(
    command: Command,
    args: Args,
    call: Call,
    *,
    timeout: float | None = None,
    watch: LoopWatch | None = None,
) -> Outcome:
    """Run a command; never raises but CancelledError, and then nothing of the call goes on.

    `timeout` in seconds overrides the command's own. An `async def` runs in the loop, with `watch`
    looking whether it blocks it; a `def` runs in a worker process without `call.means`.
    """
    limit = command.spec.timeout if timeout is None else timeout
    if call.name != command.name or call.settings is not command.settings:
        call = replace(call, name=command.name, settings=command.settings)
    args.call = call
    if not command.awaits:
        outcome = await _in_process(command, args, call, limit)
    else:
        with watch.watching(command.name, command.file) if watch else nullcontext():
            outcome = await _in_loop(command, args, call, limit)
    outcome = outcome._replace(detail=module_file.printable(outcome.detail))
    if outcome.state in ("failed", "timeout"):
        log.warning(
            f"command {outcome.state}", command=command.name, id=call.id, detail=outcome.detail
        )
    return outcome


async def _in_loop(command: Command, args: Args, call: Call, limit: float) -> Outcome:
    """An `async def`, as a task that is cancelled at the limit and left alone when it stays."""
    task = asyncio.ensure_future(_contained(command, args, call))
    try:
        await asyncio.sleep(0)  # most answers wait for nothing, and need no timer
        if not task.done():
            await asyncio.wait((task,), timeout=limit)
        if task.done():
            return task.result()
    except asyncio.CancelledError:
        await _cancel(task, command.name)
        raise
    where = _where(task)
    await _cancel(task, command.name)
    return _stopped(command, args, call, limit, where)


async def _contained(command: Command, args: Args, call: Call) -> Outcome:
    """The call itself; SystemExit must be caught in the task or asyncio ends the whole loop."""
    positional, named = command.arguments.spread(args)
    try:
        value = command.function(call, *positional, **named)
        if isinstance(value, Awaitable):
            value = await value
    except CommandError as error:
        state: State = "failed" if isinstance(error, CommandFailed) else "refused"
        return _said(state, command, call, error, _trace(error))
    except BaseException as error:  # sys.exit ends the call, not the daemon
        if is_cancelled(error):
            raise
        return _failed(command, args, call, _trace(error))
    if command.builtin and isinstance(value, Reply):
        return Outcome("done", value)  # what the house itself says is cut where it is written
    try:
        return Outcome("done", answer(value))
    except ValueError as error:
        return _unsendable(command, call, str(error))
    except BaseException as error:  # noqa: BLE001  what it returned may have code of its own
        return _unsendable(command, call, _trace(error))


async def _cancel(task: asyncio.Task[Outcome], name: str) -> None:
    task.cancel()
    await asyncio.wait((task,), timeout=FAREWELL)
    if not task.done():
        log.error("command will not be cancelled", command=name, at=_where(task))


def is_cancelled(error: BaseException) -> bool:
    """Whether somebody cancelled this task, rather than a module raising it by itself.

    All else that a module raises, SystemExit too, must be caught in the task that called it.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _where(task: asyncio.Task[Outcome]) -> str:
    """The lines of the command at which a task waits, innermost last; its stack shows one only."""
    lines: list[str] = []
    waiting: Any = task.get_coro()
    while (frame := getattr(waiting, "cr_frame", None)) is not None:
        lines.append(f"waited at {frame.f_code.co_filename}:{frame.f_lineno}")
        waiting = getattr(waiting, "cr_await", None)
    return "\n".join(lines[1:])


async def _in_process(command: Command, args: Args, call: Call, limit: float) -> Outcome:
    """A `def`, in a worker process that has nothing of the daemon."""
    try:
        given = (replace(call, means=None), *command.arguments.spread(args))
        payload = module_file.packed(given, command.source)
    except BaseException as error:  # noqa: BLE001  whatever a type's own hooks raise, sys.exit too
        return _failed(command, args, call, f"cannot be handed to a process: {error!r}")
    file = command.file if command.source.startswith(module_file.PREFIX) else ""
    source = module_file.source_of(command.function)
    task = process.Task(file, command.source, command.attribute, payload, source)
    ended = await process.run(task, process.Limits(timeout=limit))
    printed = f"\nprinted: {ended.output[-DETAIL:]}" if ended.output else ""
    if ended.answer is not None:
        return _answered(command, args, call, ended.answer, printed)
    if ended.timed_out:
        return _stopped(command, args, call, limit, printed.strip())
    return _failed(command, args, call, f"its process {ended.how}{printed}")


def _answered(
    command: Command, args: Args, call: Call, said: dict[str, Any], printed: str
) -> Outcome:
    """The outcome in the line of a worker process, which may hold anything."""
    detail = f"{said.get('detail', '')}{printed}".strip()
    match said:
        case {"state": "done", "reply": dict(stored)}:
            try:
                return Outcome("done", decode(stored), printed.strip())
            except (ValueError, TypeError) as error:
                return _unsendable(command, call, f"{error}{printed}")
        case {"state": "failed" | "refused" as state, "text": str(text)}:
            return _said(state, command, call, text, detail)
        case {"unsendable": True}:
            return _unsendable(command, call, detail)
    return _failed(command, args, call, detail or "its process answered nonsense")


def _said(
    state: State, command: Command, call: Call, text: str | CommandError, detail: str
) -> Outcome:
    """What the command itself told the sender."""
    try:
        return Outcome(state, answer(str(text)), detail)
    except BaseException as error:  # noqa: BLE001  an error of the module's may have code of its own
        return _unsendable(command, call, f"{error}\n{detail}")


def _failed(command: Command, args: Args, call: Call, detail: str) -> Outcome:
    text = f"{command.name} failed.{_left(command, args)}{_log(call)}"
    return Outcome("failed", Reply(text), detail[-DETAIL:])


def _unsendable(command: Command, call: Call, detail: str) -> Outcome:
    text = f"{command.name} ran, but its answer cannot be sent.{_log(call)}"
    return Outcome("failed", Reply(text), detail[-DETAIL:])


def _stopped(command: Command, args: Args, call: Call, limit: float, detail: str) -> Outcome:
    left = _left(command, args)
    text = f"{command.name} took longer than {limit:g} s and was stopped.{left}{_log(call)}"
    return Outcome("timeout", Reply(text), detail[-DETAIL:])


def _left(command: Command, args: Args) -> str:
    """What a call that broke may have left behind: nothing, when it only looked."""
    try:
        looked = command.risk(args) is Risk.LOOK
    except CommandFailed:
        looked = False
    return "" if looked else " It may have done a part."


def _log(call: Call) -> str:
    return f" Log {call.id[:SHORT_ID]}." if call.id else ""


def _trace(error: BaseException) -> str:
    inner = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.format_exception(type(error), error, inner))[-DETAIL:]
