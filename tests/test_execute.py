"""Whatever a command does becomes an outcome: a reply for the sender, a detail for the operator."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from housecarl.answer import LONGEST_TEXT, MOST_ROWS, answer
from housecarl.arguments import Args
from housecarl.config import Config
from housecarl.execute import Outcome, execute
from housecarl.judge import Judge
from housecarl.loop_watch import LoopWatch
from housecarl.module import Call, Reply, Risk, command
from housecarl.registry import Registry
from housecarl.trust import Answers, Trust

ID = "7f3a" * 8

MODULE = """
import asyncio, os, subprocess, sys, time
from housecarl import Call, CommandError, Reply, Risk, command


class Rows(list):
    def __iter__(self):
        sys.exit(3)


class Odd(CommandError):
    def __str__(self):
        return self.args[1]


def do(what):
    if what == "reply":
        return Reply("lamp on.", rows=[("Power", "43 W")], bars=[("Mon", 1.5)], unit="kWh")
    if what == "str":
        return "lamp on."
    if what == "no":
        raise CommandError("No plug lmap.")
    if what == "mute":
        raise CommandError("")
    if what == "odd":
        raise Odd("x")
    if what == "raise":
        raise KeyError("inner")
    if what == "name":
        raise ValueError("no caf\\udce9.txt")
    if what == "own":
        return Reply("x", rows=Rows([1]))
    if what == "exit":
        sys.exit(3)
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "cancelled":
        raise asyncio.CancelledError
    if what == "print":
        print("stray")
        return "printed."
    return {
        "none": None, "int": 5, "dict": {"a": 1}, "bytes": b"x", "huge": "x" * 10_000_000,
        "empty": " ", "half": "\\ud800", "rows": Reply("x", rows=[("a", 1)]),
        "bars": Reply("x", bars=[("a", float("nan"))]), "inside": Reply(None),
    }[what]


@command()
def worker(call: Call, what: str) -> Reply:
    return do(what)


@command()
async def loop(call: Call, what: str) -> Reply:
    return do(what)


@command(timeout=1, risk=Risk.CHANGE)
def hang(call: Call) -> Reply:
    time.sleep(60)


@command(timeout=0.2, risk=lambda args: Risk.CHANGE)
async def wait(call: Call) -> Reply:
    await asyncio.sleep(60)


@command(timeout=0.1)
async def stubborn(call: Call) -> Reply:
    for _ in range(2):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
    return "late"


@command()
def die(call: Call) -> Reply:
    os._exit(9)


@command()
def reach(call: Call) -> Reply:
    call.progress(0.5)


@command(risk=lambda args: 1 / 0)
async def risky(call: Call) -> Reply:
    1 / 0


@command()
def forge(call: Call) -> Reply:
    os.write(int(sys.argv[1]), b'{"state": "done", "reply": {"text": 5}}' + bytes([10]))
    os._exit(0)


@command()
async def block(call: Call) -> Reply:
    time.sleep(0.5)  # held here
    return "blocked."
"""

GIFT = """
from enum import Enum
from pydantic import BaseModel
from housecarl import Call, Reply, command


class Mode(Enum):
    ECO = "eco"


class Settings(BaseModel):
    city: str = "Denver"


@command()
def gift(call: Call, mode: Mode, *names: str) -> Reply:
    return Reply(f"{mode.value} {','.join(names)} {call.settings.city} {call.person} {call.name}")
"""

#: with a decorator of a library, as that of a lock is
WRAPPED = GIFT.replace("()\ndef", "()\n@contextmanager(lambda: (yield))()\ndef").replace(
    "\n", "\nfrom contextlib import contextmanager\n", 1
)

LOCAL = """
from typing import Annotated
from pydantic import AfterValidator
from housecarl import Call, Reply, command


def kept(value: str) -> str:
    class Kept(str):
        pass
    return Kept(value)


@command()
def local(call: Call, mode: Annotated[str, AfterValidator(kept)]) -> Reply:
    return Reply(mode)
"""

Run = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def registry(tmp_path: Path) -> Registry:
    (tmp_path / "chores.py").write_text(MODULE)
    (tmp_path / "gift.py").write_text(GIFT)
    registry = Registry(None, [tmp_path], trial=None)
    await registry.reload()
    assert not registry.broken
    return registry


@pytest.fixture
def run(registry: Registry) -> Run:
    async def run(text: str, **more: Any) -> Outcome:
        name, *words = text.split()
        command = registry.commands[name]
        call = Call(name, tuple(words), person="ann", id=ID)
        return await execute(command, command.bind(call), call, **more)

    return run


ENDS = [
    ("reply", "done", "lamp on.", ""),
    ("str", "done", "lamp on.", ""),
    ("no", "refused", "No plug lmap.", "CommandError: No plug lmap."),
    ("raise", "failed", "{} failed. Log 7f3a.", "KeyError: 'inner'"),
    ("name", "failed", "{} failed. Log 7f3a.", "ValueError: no caf?.txt"),
    ("exit", "failed", "{} failed. Log 7f3a.", "SystemExit: 3"),
    ("interrupt", "failed", "{} failed. Log 7f3a.", "KeyboardInterrupt"),
    ("cancelled", "failed", "{} failed. Log 7f3a.", "CancelledError"),
    ("mute", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "empty text"),
    ("none", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "NoneType"),
    ("int", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "int"),
    ("dict", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "dict"),
    ("bytes", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "bytes"),
    ("huge", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "10000000"),
    ("empty", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "empty"),
    ("half", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "half a char"),
    ("rows", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "cell"),
    ("bars", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "nan"),
    ("inside", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "NoneType"),
    ("own", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "SystemExit: 3"),
]

#: Answers of a shape that cannot be sent; one function tells, wherever the command ran.
SHAPES = {"mute", "int", "dict", "bytes", "empty", "half", "rows", "bars", "inside", "own"}


@pytest.mark.long(after=12)
@pytest.mark.parametrize(
    ("what", "state", "said", "detail", "where"),
    [
        *((*end, "loop") for end in ENDS),
        ("odd", "failed", "{} ran, but its answer cannot be sent. Log 7f3a.", "Odd", "loop"),
        *(
            pytest.param(*end, "worker", marks=[pytest.mark.long] if end[0] in SHAPES else [])
            for end in ENDS
        ),
    ],
)
async def test_each_end_has_its_outcome_and_the_next_call_is_served(
    run: Run, where: str, what: str, state: str, said: str, detail: str
) -> None:
    outcome = await run(f"{where} {what}")
    assert (state, said.format(where)) == (outcome.state, outcome.reply.text)
    assert detail in outcome.detail
    if what == "reply":
        assert list(outcome.reply.rows) == [("Power", "43 W")]
        assert (list(outcome.reply.bars), outcome.reply.unit) == ([("Mon", 1.5)], "kWh")
    if what == "raise":
        assert re.search(r'chores.py", line \d+, in do', outcome.detail)
        assert "housecarl/execute.py" not in outcome.detail, "our own frames say nothing"
        assert (await run(f"{where} str")).state == "done"


async def test_a_stray_print_goes_to_the_operator_only(run: Run) -> None:
    outcome = await run("worker print")
    assert (outcome.reply.text, outcome.detail.strip()) == ("printed.", "printed: stray")


async def test_a_process_that_dies_is_told(run: Run) -> None:
    outcome = await run("die")
    assert (outcome.state, outcome.reply.text) == ("failed", "die failed. Log 7f3a.")
    assert outcome.detail == "its process ended with code 9 before it answered"


async def test_a_def_is_stopped_at_its_limit_and_may_have_done_a_part(run: Run) -> None:
    outcome = await run("hang")
    assert outcome.state == "timeout"
    assert (
        outcome.reply.text
        == "hang took longer than 1 s and was stopped. It may have done a part. Log 7f3a."
    )
    assert "in hang" in outcome.detail


async def test_an_async_def_is_stopped_at_its_limit_and_the_line_is_known(run: Run) -> None:
    outcome = await run("wait")
    assert outcome.state == "timeout"
    assert outcome.reply.text.startswith("wait took longer than 0.2 s and was stopped. It may")
    assert "chores.py:" in outcome.detail


async def test_the_limit_can_be_overridden(run: Run) -> None:
    outcome = await run("wait", timeout=0.05)
    assert outcome.reply.text.startswith("wait took longer than 0.05 s")


async def test_one_that_will_not_be_cancelled_does_not_hold_the_worker(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("housecarl.execute.FAREWELL", 0.1)
    with capture_logs() as logs:
        outcome = await run("stubborn")
    assert outcome.state == "timeout"
    assert "command will not be cancelled" in [line["event"] for line in logs]
    left = [task for task in asyncio.all_tasks() if "_contained" in repr(task)]
    for task in left:
        task.cancel()
        await asyncio.wait((task,))


async def test_cancelling_the_call_cancels_the_command(run: Run) -> None:
    task = asyncio.ensure_future(run("wait", timeout=60))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [task for task in asyncio.all_tasks() if "_contained" in repr(task)]


async def test_arguments_and_settings_reach_the_worker_process(run: Run) -> None:
    assert (await run("gift ECO a b")).reply.text == "eco a,b Denver ann gift"


@pytest.mark.long
async def test_a_saved_file_harms_no_call_while_a_file_beside_it_takes_long(tmp_path: Path) -> None:
    """The former version answers until both are read."""
    go, loaded = asyncio.Event(), tmp_path / "loaded"

    async def trial(path: Path, source: bytes) -> str:
        if path.stem == "long":
            await go.wait()
        return ""

    async def say(mine: Registry) -> str:
        command, call = mine.commands["gift"], Call("gift", ("eco",))
        return (await execute(command, command.bind(call), call)).reply.text

    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "gift.py").write_text(GIFT)
    registry = Registry(None, [folder], trial=trial)
    await registry.reload()
    (folder / "gift.py").write_text(GIFT + f"open({str(loaded)!r}, 'w').close()\n")
    (folder / "long.py").write_text("1 / 0")
    reload = asyncio.create_task(registry.reload())
    async with asyncio.timeout(10):
        while not loaded.exists() or "aside" in {  # noqa: ASYNC110  a thread has no event
            each.name for each in threading.enumerate()
        }:
            await asyncio.sleep(0)
    assert await say(registry) == "eco  Denver  gift"
    go.set()
    await reload
    assert len(registry.broken) == 1
    assert await say(registry) == "eco  Denver  gift"


@pytest.mark.long
@pytest.mark.parametrize("gift", [GIFT, WRAPPED], ids=["plain", "wrapped"])
async def test_a_call_that_was_decided_runs_in_the_version_of_then(
    tmp_path: Path, gift: str
) -> None:
    """However the file was changed since, while it was read again, or before that."""
    (tmp_path / "gift.py").write_text(gift)
    registry = Registry(None, [tmp_path], trial=None)
    await registry.reload()
    former, call = registry.commands["gift"], Call("gift", ("eco",))
    bound = former.bind(call)
    for text in (gift.replace("Denver", "Paris"), "1 / 0", None):
        if text is None:
            (tmp_path / "gift.py").unlink()
        else:
            (tmp_path / "gift.py").write_text(text)
        assert (await execute(former, bound, call)).reply.text == "eco  Denver  gift"
        await registry.reload()
        assert (await execute(former, bound, call)).reply.text == "eco  Denver  gift"
    assert registry.commands == {}


async def test_a_def_has_no_further_means_and_is_told_so(run: Run) -> None:
    outcome = await run("reach")
    assert outcome.state == "failed"
    assert "write async def" in outcome.detail


async def test_without_a_risk_there_is_nothing_left_behind_and_without_an_id_no_log(
    registry: Registry,
) -> None:
    command = registry.commands["die"]
    outcome = await execute(command, command.bind(Call("die")), Call("die"))
    assert outcome.reply.text == "die failed."


async def test_a_built_in_def_needs_no_process(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = replace(registry.commands["worker"], builtin=True)
    call = Call("worker", ("str",), person="ann", id=ID)
    assert (await execute(found, found.bind(call), call)).reply.text == "lamp on."


async def test_a_risk_that_cannot_be_told_may_have_left_a_part(run: Run) -> None:
    outcome = await run("risky")
    assert outcome.reply.text == "risky failed. It may have done a part. Log 7f3a."


async def test_a_reply_that_a_module_forges_is_not_sent(run: Run) -> None:
    outcome = await run("forge")
    assert outcome.reply.text == "forge ran, but its answer cannot be sent. Log 7f3a."


class Leaving:
    def __reduce__(self) -> str:
        sys.exit(3)


@pytest.mark.parametrize(
    ("settings", "why"), [(threading.Lock(), "TypeError"), (Leaving(), "SystemExit")]
)
async def test_settings_that_no_process_can_take_fail_the_call(
    registry: Registry, settings: object, why: str
) -> None:
    found = replace(registry.commands["worker"], settings=settings)
    call = Call("worker", ("str",), person="ann", id=ID)
    outcome = await execute(found, found.bind(call), call)
    assert outcome.reply.text == "worker failed. Log 7f3a."
    assert outcome.detail.startswith(f"cannot be handed to a process: {why}")


async def test_what_only_a_function_of_the_module_knows_cannot_be_handed_over(
    tmp_path: Path,
) -> None:
    """It has no name by which the process could find it: told here, and not as a fault of ours."""
    (tmp_path / "local.py").write_text(LOCAL)
    registry = Registry(None, [tmp_path], trial=None)
    await registry.reload()
    found, call = registry.commands["local"], Call("local", ("eco",), person="ann", id=ID)
    detail = (await execute(found, found.bind(call), call)).detail
    assert detail.startswith("cannot be handed to a process: ")
    assert "kept.<locals>.Kept" in detail


async def test_a_failure_is_logged_with_its_command(run: Run) -> None:
    with capture_logs() as logs:
        await run("loop raise")
    (line,) = logs
    assert (line["event"], line["command"], line["id"]) == ("command failed", "loop", ID)


async def test_one_that_blocks_the_loop_is_named_with_its_line(run: Run) -> None:
    watch = LoopWatch(asyncio.get_running_loop(), blocked=0.1)
    try:
        with capture_logs() as logs:
            assert (await run("block", watch=watch)).reply.text == "blocked."
    finally:
        await asyncio.to_thread(watch.stop)
    found = [line for line in logs if line["event"] == "loop blocked"]
    assert [line["command"] for line in found] == ["block"]
    line = MODULE.splitlines().index("    time.sleep(0.5)  # held here") + 1
    assert found[0]["at"].endswith(f"chores.py:{line}")


async def test_who_else_blocks_the_loop_is_told_with_all_commands_that_run() -> None:
    watch = LoopWatch(asyncio.get_running_loop(), blocked=0.02)
    until = time.monotonic() + 10
    with capture_logs() as logs:
        with watch.watching("plug", "plug.py"), watch.watching("energy", "energy.py"):
            with watch.watching("plug", "plug.py"):
                pass  # of two calls of one command the first has ended
            while not logs and time.monotonic() < until:
                os.sched_yield()
        await asyncio.to_thread(watch.stop)
    assert [line["command"] for line in logs] == ["energy, plug"]
    assert Path(__file__).name in logs[0]["at"]


async def test_whose_rule_of_its_risk_blocks_the_loop_is_named() -> None:
    """Long before it runs: rules, and checks of arguments, are code of the module's too."""
    until = time.monotonic() + 10

    def held(_: Args) -> Risk:
        while not logs and time.monotonic() < until:
            os.sched_yield()
        return Risk.CHANGE

    @command(risk=held)
    async def dig(call: Call) -> Reply:
        return Reply("Dug.")

    registry, now = Registry(None), datetime.now(UTC)
    registry.add_builtin(dig)
    config = Config.model_validate({"people": {"ann": {"may": ["*"]}}})
    watch = LoopWatch(asyncio.get_running_loop(), blocked=0.02)
    judge = Judge(config, Trust({}, Answers({})), registry, lambda _: False, watch)
    with capture_logs() as logs:
        judge.rehearse("ann", ("dig",), now, now)
        await asyncio.to_thread(watch.stop)
    assert [line["command"] for line in logs] == ["dig"]


def test_the_watch_ends_with_its_loop() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    watch = LoopWatch(loop)
    watch.stop()
    watch = LoopWatch(loop)
    with watch.watching("plug", "plug.py"):
        for thread in threading.enumerate():
            if thread.name == "loop-watch":
                thread.join(10)
                assert not thread.is_alive()
    watch.stop()


class CountedLoop:
    """The running loop, counting how often it is asked to turn."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.asked = 0

    def call_soon_threadsafe(self, work: Callable[[], object]) -> None:
        self.asked += 1
        self.loop.call_soon_threadsafe(work)


async def test_the_watch_sleeps_while_no_command_runs() -> None:
    loop = CountedLoop()
    watch = LoopWatch(cast("asyncio.AbstractEventLoop", loop), blocked=0.01)
    with watch.watching("x", "x.py"):
        await asyncio.sleep(0.1)
    asked = loop.asked
    await asyncio.sleep(0.2)
    watch.stop()
    assert asked > 2
    assert loop.asked - asked <= 1


@pytest.mark.parametrize(
    "value",
    [
        Reply("x" * (LONGEST_TEXT + 1)),
        Reply("x", rows=[("a", "b")] * (MOST_ROWS + 1)),
        Reply("x", rows="ab"),  # type: ignore[arg-type]
        Reply("x", rows={("a", "b")}),  # type: ignore[arg-type]
        Reply("x", rows=[("a",)]),  # type: ignore[list-item]
        Reply("x", rows=[("a", 5)]),  # type: ignore[list-item]
        Reply("x", rows=[("a", "\ud800")]),
        Reply("x", bars=[(5, 1.5)]),  # type: ignore[list-item]
        Reply("x", bars=[("a", "1")]),  # type: ignore[list-item]
        Reply("x", bars=[("a", True)]),
        Reply("x", bars=[("a", 10**400)]),
        Reply("x", unit=5),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_a_reply_is_refused(value: Reply) -> None:
    with pytest.raises(ValueError, match="returned"):
        answer(value)
