"""Behaviour of run and stop, with real programs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from housecarl import CommandError, Risk
from housecarl.module import SPEC

from .conftest import Commands, sms

SLEEP = ["/bin/sh", "-c", "echo going; exec sleep 30"]


@pytest.fixture
def run(load: Callable[[str], Commands], monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = load("run")
    monkeypatch.setattr(commands.module, "GRACE", 0.3)
    return commands


def program(run: Commands, *argv: str, **more: object) -> None:
    """The config names one program: `job`."""
    run.set(programs={"job": {"argv": list(argv), **more}})


@pytest.fixture
def impatient(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "Started" is said at once instead of after 15 s."""
    monkeypatch.setattr(run.module, "SOON", 0.05)


def alive(pid: int) -> bool:
    """Whether a process still runs; one that is dead but not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def gone(pid: int) -> None:
    async with asyncio.timeout(5):
        while alive(pid):  # noqa: ASYNC110  not our child: nothing tells us
            await asyncio.sleep(0.01)


def _whole(file: Path) -> bool:
    return file.exists() and file.read_text().endswith("\n")


async def written(file: Path) -> str:
    async with asyncio.timeout(5):
        while not _whole(file):  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.01)
    return file.read_text()


async def test_the_reply_holds_the_last_line(run: Commands) -> None:
    program(run, "/bin/sh", "-c", "echo one; echo 12 files copied; echo")
    reply = await run.run("run", "JOB")
    assert sms(reply) == "job done in 0 s: 12 files copied"
    assert list(reply.rows) == [
        ("Program", "job"),
        ("Took", "0 s"),
        ("Output", "one"),
        ("", "12 files copied"),
    ]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("true", "job done in 0 s."),
        ("echo disk full >&2; exit 3", "job FAILED after 0 s (exit 3): disk full"),
        ("kill -9 $$", "job FAILED after 0 s (signal 9)."),
        (r"printf 'a\rb\033[31mred\033[0m\007 end'", "job done in 0 s: b red end"),
        (r"printf '\377\376\n\302\200\302\240'", "job done in 0 s: ??"),
    ],
)
async def test_the_reply_says_how_it_ended(run: Commands, script: str, text: str) -> None:
    program(run, "/bin/sh", "-c", script)
    assert (await run.run("run", "job")).text.replace("\ufffd", "?") == text


async def test_endless_output_neither_fills_memory_nor_the_sms(run: Commands) -> None:
    program(run, sys.executable, "-c", "print('x' * 3_000_000 + 'y' * 500)")
    text = await run.text("run", "job")
    assert len(text) == 160 and text.endswith("...")


def test_only_the_end_of_the_output_is_kept(run: Commands) -> None:
    output = run.module.Output()
    for _ in range(100):
        output.data_received(b"x" * 100_000 + b"\nlast")
    assert len(output.tail) == run.module.TAIL and output.lines()[-1] == "last"


async def test_nothing_of_ours_reaches_a_program(
    run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSE_SECRET", "hunter2")
    program(run, "/bin/sh", "-c", 'echo "$HOUSE_SECRET-$#-$(pwd)"; cat')
    assert await run.text("run", "job") == "job done in 0 s: -0-/"


async def test_the_words_of_argv_are_no_shell_words(run: Commands) -> None:
    program(run, "/bin/echo", "$(id)", "a  b", ";", "*")
    assert await run.text("run", "job") == "job done in 0 s: $(id) a b ; *"


@pytest.mark.long
async def test_at_its_limit_it_is_killed_with_all_it_started(run: Commands, tmp_path: Path) -> None:
    """Also when it takes no notice of SIGTERM."""
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 30 & echo $$ $! > {pids}; echo half way; while :; do wait; done"
    program(run, "/bin/sh", "-c", script, limit="1s")
    started = time.monotonic()
    text = await run.text("run", "job")
    assert text == "job NOT finished: stopped at its limit of 1 s: half way"
    assert time.monotonic() - started < 3
    for pid in pids.read_text().split():
        await gone(int(pid))


async def test_what_it_left_behind_ends_with_it(run: Commands, tmp_path: Path) -> None:
    """A child that holds the output open delays nothing."""
    pid = tmp_path / "pid"
    program(run, "/bin/sh", "-c", f"sleep 30 & echo $! > {pid}; echo ready")
    assert await run.text("run", "job") == "job done in 0 s: ready"
    await gone(int(pid.read_text()))


@pytest.mark.usefixtures("impatient")
async def test_a_long_one_says_started_and_then_how_it_ended(run: Commands, tmp_path: Path) -> None:
    go = tmp_path / "go"
    program(run, "/bin/sh", "-c", f"while [ ! -e {go} ]; do sleep 0.02; done; echo all well")
    assert await run.text("run", "job") == (
        "job started and still running. I say when it ends. To stop: !stop 1"
    )
    assert await run.text("run") == "Programs: job. Running: 1 job."
    with pytest.raises(CommandError, match="job is running already. To stop it: !stop 1"):
        await run.run("run", "job")
    go.touch()
    assert re.fullmatch(r"job done in \d s: all well", sms(await run.hand.later()))
    assert await run.text("run") == "Programs: job."


@pytest.mark.usefixtures("impatient")
async def test_stop_kills_it_and_tells_who_started_it(run: Commands) -> None:
    program(run, *SLEEP)
    await run.run("run", "job")
    run.person = "bo"
    assert await run.text("stop", 1) == "job stopped after 0 s. What it did so far stays."
    assert sms(await run.hand.later()) == "job was stopped by bo after 0 s: going"
    with pytest.raises(CommandError, match="Nothing runs as 1. Running: nothing."):
        await run.run("stop", 1)


@pytest.mark.long(after=1)
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("again", ["stop", "the end of housecarl"])
async def test_one_that_is_stopped_twice_before_it_has_ended_is_told_as_stopped(
    run: Commands, tmp_path: Path, again: str
) -> None:
    """By two people, or by one and the end of housecarl: it takes its time after SIGTERM."""
    ready, asked = tmp_path / "ready", tmp_path / "asked"
    script = f"trap 'echo > {asked}' TERM; echo > {ready}; while :; do sleep 0.02; done"
    program(run, "/bin/sh", "-c", script)
    await run.run("run", "job")
    await written(ready)
    run.person = "bo"
    stopped = [asyncio.create_task(run.text("stop", 1))]
    await written(asked)
    if again == "stop":
        run.person = "cy"
        stopped.append(asyncio.create_task(run.text("stop", 1)))
    else:
        run.hand.work[0].cancel()
    for text in await asyncio.gather(*stopped):
        assert re.fullmatch(r"job stopped after \d s\. What it did so far stays\.", text)
    assert sms(await run.hand.later()).startswith("job was stopped by bo after ")
    await asyncio.wait_for(run.hand.work[0], 5)


@pytest.mark.usefixtures("impatient")
async def test_of_two_that_run_at_once_each_is_stopped_by_its_number(run: Commands) -> None:
    run.set(programs={name: {"argv": SLEEP} for name in ("job", "other")})
    assert (await run.text("run", "job")).endswith(" To stop: !stop 1")
    assert (await run.text("run", "other")).endswith(" To stop: !stop 2")
    assert await run.text("run") == "Programs: job, other. Running: 1 job, 2 other."
    assert (await run.text("stop", 2)).startswith("other stopped ")
    assert (await run.text("stop", 1)).startswith("job stopped ")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(89.4, "89 s"), (90, "2 min"), (5369, "89 min"), (5400, "1 h 30 min"), (90000, "25 h 0 min")],
)
def test_a_span_is_told_in_the_unit_that_fits(run: Commands, seconds: float, told: str) -> None:
    assert run.module._span(seconds) == told


@pytest.mark.parametrize(("count", "told"), [(6, "p4, p5."), (7, "p4, p5, 1 more.")])
async def test_six_programs_are_named_and_the_others_counted(
    run: Commands, count: int, told: str
) -> None:
    run.set(programs={f"p{number}": {"argv": ["true"]} for number in range(count)})
    assert await run.text("run") == f"Programs: p0, p1, p2, p3, {told}"


@pytest.mark.usefixtures("impatient")
async def test_who_stops_their_own_program_is_told_once(run: Commands) -> None:
    program(run, *SLEEP)
    await run.run("run", "job")
    await run.run("stop", 1)
    await asyncio.wait_for(asyncio.gather(*run.hand.work), 5)
    assert run.hand.said.empty()


async def test_one_that_is_stopped_while_it_is_being_started_is_told_as_stopped(
    run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the start takes a while: both were told that they failed."""
    begun = asyncio.Event()

    async def slow(_: str, __: object, output: int) -> None:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(run.module, "_start", slow)
    program(run, *SLEEP)
    asked = asyncio.ensure_future(run.text("run", "job"))
    await asyncio.wait_for(begun.wait(), 20)
    assert (await run.text("stop", 1)).startswith("job stopped after ")
    assert (await asked).startswith("job was stopped by ann after ")


async def test_one_that_is_stopped_before_it_is_started_leaves_no_pipe_open(
    run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pipe takes a turn or two of the loop; both were told that they failed."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    connect = loop.connect_read_pipe

    async def slow(*given: Any) -> None:
        pipe, _ = await connect(*given)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            pipe.close()

    monkeypatch.setattr(loop, "connect_read_pipe", slow)
    program(run, *SLEEP)
    opened = pipes()
    asked = asyncio.ensure_future(run.text("run", "job"))
    await asyncio.wait_for(begun.wait(), 20)
    assert (await run.text("stop", 1)).startswith("job stopped after ")
    assert (await asked).startswith("job was stopped by ann after ")
    await asyncio.sleep(0)  # a transport closes its pipe in the next turn
    assert pipes() <= opened


def pipes() -> set[str]:
    """Those that this process has open, by what the kernel calls them."""
    links = set[str]()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of this very look
            links.add(os.readlink(descriptor))  # noqa: PTH115 - it is no path
    return {link for link in links if link.startswith("pipe:")}


@pytest.mark.usefixtures("impatient")
async def test_a_program_of_an_older_version_of_the_file_can_be_stopped(
    run: Commands, load: Callable[[str], Commands]
) -> None:
    program(run, *SLEEP)
    await run.run("run", "job")
    saved_again = load("run")
    assert (await saved_again.text("stop", 1)).startswith("job stopped")


@pytest.mark.usefixtures("impatient")
async def test_when_housecarl_ends_the_program_ends_and_that_is_told(
    run: Commands, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    program(run, "/bin/sh", "-c", f"echo $$ > {pid}; exec sleep 30")
    await run.run("run", "job")
    await written(pid)
    await asyncio.sleep(0)  # the second message is waited for
    run.hand.work[0].cancel()
    assert sms(await run.hand.later()) == "job was stopped by the end of housecarl after 0 s."
    await gone(int(pid.read_text()))


async def test_a_call_that_is_cancelled_leaves_nothing_running(
    run: Commands, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    program(run, "/bin/sh", "-c", f"echo $$ > {pid}; exec sleep 30")
    call = asyncio.create_task(run.run("run", "job"))
    await written(pid)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await gone(int(pid.read_text()))


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["/no/such/program"], "no such file or directory"),
        (["/etc/passwd"], "permission denied"),
        (["/bin/echo", "a\0b"], "its argv is wrong"),
    ],
)
async def test_what_cannot_be_started_is_said_without_a_path(
    run: Commands, argv: list[str], why: str
) -> None:
    program(run, *argv)
    with pytest.raises(CommandError) as caught:
        await run.run("run", "job")
    assert str(caught.value) == f"job cannot be started: {why}."


async def test_names_are_listed_and_only_a_named_program_is_a_change(run: Commands) -> None:
    assert await run.text("run") == "Programs: none in the config."
    run.set(programs={f"program-{n:012}": {"argv": ["/bin/true"]} for n in range(30)})
    assert "24 more" in await run.text("run")
    with pytest.raises(CommandError) as caught:
        await run.run("run", "program-00000000000")
    assert len(str(caught.value)) <= 160 and "Did you mean program-0" in str(caught.value)
    risk = getattr(run.module.run, SPEC).risk
    assert risk(SimpleNamespace(name="job")) is Risk.CHANGE
    assert risk(SimpleNamespace(name=None)) is Risk.LOOK


def test_the_longest_replies_fit(run: Commands) -> None:
    module, name = run.module, "n" * 20
    limit = module.Program(argv=["x"], limit="9h")
    for ended in (
        module.Ended(None, 9e5, ["x" * 4000]),
        module.Ended(-15, 9e5, ["x" * 4000]),
        module.Ended(None, 9e5, ["x" * 4000], "p" * 60),
    ):
        sms(module._said(name, limit, ended))


def test_two_programs_that_are_the_same_in_a_text_are_refused(run: Commands) -> None:
    """Else the one that was named exactly might not be the one that runs."""
    told = "backup and Backup are the same in a text; rename one of them"
    with pytest.raises(ValidationError, match=told):
        run.set(programs={name: {"argv": ["true"]} for name in ("backup", "Backup")})


@pytest.mark.parametrize(
    "wrong", [{"argv": []}, {"argv": "echo hi"}, {"argv": ["x"], "limit": "3 weeks"}, {"shell": 1}]
)
def test_settings_are_checked(run: Commands, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        run.set(programs={"job": wrong})
