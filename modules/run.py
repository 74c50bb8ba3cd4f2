"""Run the programs that the config names, and stop them."""

import asyncio
import difflib
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from housecarl import Call, CommandError, Reply, Risk, command
from housecarl.config_section import Name
from housecarl.folding import apart
from housecarl.quantity import Duration

#: seconds: after this the reply says "started" and the result follows in a second message
SOON = 15.0
#: seconds that a program has between SIGTERM and SIGKILL to end cleanly
GRACE = 2.0
#: octets of the end of a program's output that are kept, its lines in an e-mail, names in a reply
TAIL, LINES, SHOWN = 4096, 10, 6
#: septets of one SMS
ROOM = 160
#: the whole environment of a program: nothing of ours, which may hold secrets
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
#: colour and cursor sequences of terminals (ECMA-48), then everything else that does not print
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[^\x20-\x7e\xa1-\U0010ffff]")
#: how the task of a running program is called: number, program, who started it
TASK = re.compile(r"housecarl run (\d+) (\S+) (.*)")


class Program(BaseModel):
    """What is started (`argv`, no shell), where, and the time it may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    argv: list[str] = Field(min_length=1)
    folder: Path = Path("/")
    limit: Duration = 600


class Settings(BaseModel):
    """`programs` are the only ones that can be run; nothing of a message reaches them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    programs: Annotated[dict[Name, Program], AfterValidator(apart)] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code (None: it was killed), seconds, output, and by whom."""

    code: int | None
    took: float
    lines: list[str]
    stopped_by: str | None = None


@command(risk=lambda args: Risk.CHANGE if args.name else Risk.LOOK)
async def run(call: Call, name: str | None = None) -> Reply:
    """Run a program of the config: run backup

    One that takes longer than 15 s answers "started", and its result follows. Without a name
    it lists the programs and what is running.
    """
    if name is None:
        return _list(call.settings)
    name, program = _find(call.settings, name)
    for number, _, (other, _) in _running():
        if other == name:
            raise CommandError(f"{name} is running already. To stop it: {_stop(call, number)}")
    number = 1 + max((number for number, _, _ in _running()), default=0)
    task = asyncio.create_task(
        _carry_out(name, program), name=f"housecarl run {number} {name} {call.person}"
    )
    try:
        await asyncio.wait({task}, timeout=SOON)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        raise
    if task.done():
        return _said(name, program, task.result())
    call.spawn(_tell(call, name, program, task))
    text = f"{name} started and still running. I say when it ends. To stop:"
    return Reply(f"{text} {_stop(call, number)}")


def _stop(call: Call, number: int) -> str:
    return call.house.typed("stop", str(number))


@command(risk=Risk.CHANGE)
async def stop(call: Call, number: int) -> Reply:
    """Stop a program that is running: stop 1"""
    for running, task, (name, _) in _running():
        if running == number:
            task.cancel(call.person or "somebody")
            await asyncio.wait({task})
            took = _span(task.result().took)
            return Reply(f"{name} stopped after {took}. What it did so far stays.")
    running_now = ", ".join(f"{n} {name}" for n, _, (name, _) in _running()[:SHOWN])
    raise CommandError(f"Nothing runs as {number}. Running: {running_now or 'nothing'}.")


def _running() -> list[tuple[int, "asyncio.Task[Ended]", tuple[str, str]]]:
    """Number, task, program and person of all that runs.

    The loop's own tasks are the list, so that a new version of this file loses none.
    """
    found = []
    for task in asyncio.all_tasks():
        if named := TASK.fullmatch(task.get_name()):
            found.append((int(named[1]), task, (named[2], named[3])))
    return sorted(found, key=lambda one: one[0])


def _list(settings: Settings) -> Reply:
    running = [f"{number} {name}" for number, _, (name, _) in _running()]
    text = f"Programs: {_names(settings, 4 if running else SHOWN)}."
    if running:
        text += f" Running: {', '.join(running[:2])}{', ...' if running[2:] else ''}."
    return Reply(text, rows=[(name, " ".join(p.argv)) for name, p in settings.programs.items()])


def _names(settings: Settings, most: int) -> str:
    names = sorted(settings.programs)
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more]) or "none in the config"


def _find(settings: Settings, asked: str) -> tuple[str, Program]:
    by_fold = {name.casefold(): name for name in settings.programs}
    if name := by_fold.get(asked.casefold()):
        return name, settings.programs[name]
    near = difflib.get_close_matches(asked.casefold(), by_fold, 1)
    guess = f" Did you mean {by_fold[near[0]]}?" if near else ""
    raise CommandError(f"No program {_plain(asked[:20])}.{guess} Programs: {_names(settings, 3)}.")


class Output(asyncio.Protocol):
    """Keeps the end of what a program writes; `closed` is set when nobody can write any more."""

    def __init__(self) -> None:
        self.tail = bytearray()
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Take the next octets, at most 256 KiB at once."""
        self.tail += data
        del self.tail[:-TAIL]

    def connection_lost(self, exc: Exception | None) -> None:
        """The last writer is gone."""
        self.closed.set()

    def lines(self) -> list[str]:
        """The last lines that hold anything, fit for a reply."""
        text = self.tail.decode(errors="replace")
        return [line for line in map(_plain, re.split(r"[\r\n]+", text)) if line][-LINES:]


async def _carry_out(name: str, program: Program) -> Ended:
    """Run it to its end, its time limit, or a stop; whatever it started ends with it."""
    started = time.monotonic()
    # a pipe of our own: asyncio's would make the end of the program wait for all its children
    ours, its = os.pipe()
    output, loop = Output(), asyncio.get_running_loop()
    pipe = process = stopped_by = code = None
    try:
        try:
            with os.fdopen(its, "wb", buffering=0):  # ours to close once the program has it
                reader = os.fdopen(ours, "rb", buffering=0)
                pipe, _ = await loop.connect_read_pipe(lambda: output, reader)
                process = await _start(name, program, its)
            async with asyncio.timeout(program.limit):
                code = await process.wait()
        except TimeoutError:
            pass
        except asyncio.CancelledError as cancelled:  # also before there is a process
            stopped_by = str(cancelled.args[0]) if cancelled.args else "the end of housecarl"
        if process is not None:
            await _see_end(process, output)
    finally:
        if pipe is not None:
            pipe.close()
    return Ended(code, time.monotonic() - started, output.lines(), stopped_by)


async def _start(name: str, program: Program, output: int) -> asyncio.subprocess.Process:
    """Start it in a process group of its own, with `output` for all that it writes."""
    try:
        return await asyncio.create_subprocess_exec(
            *program.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=program.folder,
            env=ENVIRONMENT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else ""
        raise CommandError(f"{name} cannot be started: {why or 'its argv is wrong'}.") from error


async def _see_end(process: asyncio.subprocess.Process, output: Output) -> None:
    ending = asyncio.ensure_future(_end(process, output))
    while not ending.done():
        try:
            await asyncio.wait({ending})
        except asyncio.CancelledError:
            pass  # stopped once more: it ends already, and who waits is to hear how


async def _end(process: asyncio.subprocess.Process, output: Output) -> None:
    """End it with all it started, and wait for the last it has to say; bounded."""
    await _kill(process)
    await asyncio.wait({asyncio.ensure_future(output.closed.wait())}, timeout=GRACE)


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End its whole process group: asked first, unless the program has ended, then forced."""
    try:
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM)
            async with asyncio.timeout(GRACE):
                await process.wait()
    except TimeoutError:
        pass
    finally:
        _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


async def _tell(call: Call, name: str, program: Program, task: "asyncio.Task[Ended]") -> None:
    ended = await task
    if ended.stopped_by != call.person:  # who stopped it has been told
        await call.follow_up(_said(name, program, ended))


def _said(name: str, program: Program, ended: Ended) -> Reply:
    took = _span(ended.took)
    if ended.stopped_by is not None:
        text = f"{name} was stopped by {ended.stopped_by[:20]} after {took}"
    elif ended.code is None:
        text = f"{name} NOT finished: stopped at its limit of {_span(program.limit)}"
    elif ended.code == 0:
        text = f"{name} done in {took}"
    else:
        how = f"signal {-ended.code}" if ended.code < 0 else f"exit {ended.code}"
        text = f"{name} FAILED after {took} ({how})"
    last = ended.lines[-1] if ended.lines else ""
    rows = [("Program", name), ("Took", took)]
    rows += [("Output" if number == 0 else "", line) for number, line in enumerate(ended.lines)]
    return Reply(f"{text}: {_cut(last, ROOM - len(text) - 2)}" if last else f"{text}.", rows=rows)


def _plain(line: str) -> str:
    return " ".join(CONTROL.sub(" ", line).split())


def _cut(line: str, room: int) -> str:
    return line if len(line) <= room else f"{line[: room - 3]}..."


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
