"""A worker process harms nothing, lives no longer than its call, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from housecarl import child, module_file
from housecarl.errors import ModuleLater
from housecarl.module import Call
from housecarl.process import ANSWER, OUTPUT, Ended, Limits, Task, _request, run, try_file

pytestmark = pytest.mark.long(after=14)

#: seconds until something must be true on a busy machine
PATIENCE = 10.0


class Module:
    """A module file of which each test runs one function."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "chores.py"

    def write(self, text: str) -> None:
        self.path.write_text("from housecarl import Call, CommandError, Reply\n" + text)

    async def run(self, body: str, *args: str, limits: Limits | None = None) -> Ended:
        self.write("def chore(call, *args):\n" + textwrap.indent(textwrap.dedent(body), "    "))
        payload = pickle.dumps((Call("chore", args), list(args), {}))
        name = module_file.private_name(self.path)
        return await run(Task(str(self.path), name, "chore", payload), limits or Limits())


@pytest.fixture
def module(tmp_path: Path) -> Module:
    return Module(tmp_path)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until, "did not come true"
        time.sleep(0.01)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def text(ended: Ended) -> str:
    assert ended.answer is not None, ended
    return str(ended.answer["reply"]["text"])


async def test_a_reply_comes_back_with_its_table(module: Module) -> None:
    ended = await module.run("return Reply(args[0], rows=[('Power', '43 W')])", "lamp on.")
    assert ended.answer is not None
    assert ended.answer["state"] == "done"
    assert (ended.answer["reply"]) == {
        "text": "lamp on.",
        "rows": [["Power", "43 W"]],
        "bars": [],
        "unit": "",
    }


async def test_nothing_is_inherited_but_what_it_needs(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAP_PASSWORD", "hunter2")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    body = """
        import os, resource, sys
        open_ = [fd for fd in os.listdir("/proc/self/fd")]
        core = resource.getrlimit(resource.RLIMIT_CORE)
        return f"{len(open_)} {sorted(os.environ)} {sys.stdin.read()!r} {os.getcwd()} {core}"
        """
    said = text(await module.run(body))
    assert "hunter2" not in said
    assert "PASSWORD" not in said
    assert "CREDENTIALS" not in said
    assert said.endswith("'' / (0, 0)")
    assert int(said.split()[0]) == 6, (
        "0-2, the control socket, the lifeline, and the listing itself"
    )


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("import os; os._exit(4)", "ended with code 4 before it answered"),
        ("import os, signal; os.kill(os.getpid(), 11)", "was ended by SIGSEGV before it answered"),
        ("import os; os.closerange(3, 99); os._exit(0)", "ended with code 0 before it answered"),
    ],
)
async def test_one_that_dies_without_an_answer_says_how(
    module: Module, body: str, how: str
) -> None:
    ended = await module.run(body)
    assert ended.answer is None
    assert how == ended.how


async def test_a_crash_in_c_code_names_the_line(module: Module) -> None:
    ended = await module.run("import ctypes\nctypes.string_at(0)")
    assert ended.how == "was ended by SIGSEGV before it answered"
    assert f'File "{module.path}", line 4 in chore' in ended.output


async def test_a_hang_is_ended_at_the_limit_and_the_line_is_known(module: Module) -> None:
    started = time.monotonic()
    ended = await module.run("import time\ntime.sleep(60)", limits=Limits(timeout=1.2))
    assert time.monotonic() - started < 4
    assert ended.timed_out
    assert ended.how == "took longer than 1.2 s and was stopped"
    assert f'File "{module.path}", line 4 in chore' in ended.output


@pytest.mark.long
async def test_what_it_started_ends_with_it(module: Module, tmp_path: Path) -> None:
    body = f"""
        import subprocess, signal, sys, time
        stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        stubborn += "print(flush=True); time.sleep(60)"
        near = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
        far = subprocess.Popen(["sleep", "60"], start_new_session=True)
        near.stdout.readline()
        with open({str(tmp_path / "pids")!r}, "w") as file:
            file.write(f"{{near.pid}} {{far.pid}}")
        time.sleep(60)
        """
    ended = await module.run(body, limits=Limits(timeout=1.5))
    assert ended.timed_out
    near, far = map(int, (tmp_path / "pids").read_text().split())
    eventually(lambda: not alive(near))
    eventually(lambda: not alive(far))


async def test_a_process_left_behind_does_not_hold_the_answer_up(module: Module) -> None:
    body = """
        import os, time
        if os.fork() == 0:
            time.sleep(60)
        return "done."
        """
    started = time.monotonic()
    assert text(await module.run(body)) == "done."
    assert time.monotonic() - started < 5


async def test_a_flood_of_print_is_bounded_and_harms_nothing(module: Module) -> None:
    ended = await module.run("print('x' * 3_000_000)\nprint('last')\nreturn 'printed.'")
    assert text(ended) == "printed."
    assert len(ended.output) <= OUTPUT
    assert ended.output.endswith("last\n")


@pytest.mark.parametrize(
    "body",
    [
        "os.write(control, b'x' * 8_000_000)",
        "os.write(control, b'not json' + bytes([10]))",
        "os.write(control, b'[' * 100_000 + bytes([10]))",
    ],
)
async def test_nonsense_on_the_control_socket_is_no_answer(module: Module, body: str) -> None:
    find = "import os, sys\ncontrol = int(sys.argv[1])\nos.set_blocking(control, True)\n"
    ended = await module.run(f"{find}{body}\nos._exit(0)", limits=Limits(timeout=5))
    assert ended.answer is None
    assert len(ended.output) < ANSWER


async def test_memory_and_open_files_are_bounded(module: Module) -> None:
    body = """
        try:
            found = str(len(bytearray(1 << 30)))
        except MemoryError:
            found = "no memory"
        try:
            files = [open("/dev/null") for _ in range(100)]
        except OSError as error:
            found += f", {error.strerror}"
        return found
        """
    assert text(await module.run(body)) == "no memory, Too many open files"


async def test_memory_that_is_shared_is_bounded_too(module: Module) -> None:
    body = """
        import mmap
        taken = []
        while True:
            taken.append(mmap.mmap(-1, 64 << 20))
        """
    ended = await module.run(body)
    assert ended.answer is not None
    assert "Cannot allocate memory" in ended.answer["detail"]


@pytest.mark.long
async def test_one_that_eats_memory_breaks_alone_and_is_the_kernels_first_choice(
    module: Module,
) -> None:
    body = "taken = []\nwhile True:\n    taken.append(bytearray(1 << 20))"
    ended = await module.run(body, limits=Limits(memory=64 << 20))  # the usual takes half a second
    assert ended.answer is not None
    assert (ended.answer["state"], "MemoryError" in ended.answer["detail"]) == ("failed", True)
    assert text(await module.run("return open('/proc/self/oom_score_adj').read()")) == "1000\n"


@pytest.mark.long
async def test_50_that_it_forks_end_with_it_and_the_next_call_is_served(
    module: Module, tmp_path: Path
) -> None:
    """Half of them left its group, and two of these are ahead of who looks for them."""
    beat = tmp_path / "beat"
    bomb = f"""
        import os, time
        beat = os.open({str(beat)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for n in range(50):
            if os.fork() == 0:
                if n % 2:
                    os.setsid()
                until = time.monotonic() + 20
                while time.monotonic() < until:
                    os.write(beat, b"x")
                    time.sleep(0.01)
                    if n in (1, 3) and os.fork():
                        os._exit(0)
                os._exit(0)
        time.sleep(60)
        """
    ended = await module.run(bomb, limits=Limits(timeout=1.5))
    assert ended.timed_out
    beats = beat.stat().st_size
    assert beats > 0
    assert text(await module.run("return 'served.'")) == "served."
    assert beat.stat().st_size == beats, "none lives on"


async def test_what_left_the_group_ends_also_when_no_thread_can_be_had(
    module: Module, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    body = f"""
        import pathlib, subprocess, time
        far = subprocess.Popen(["sleep", "60"], start_new_session=True)
        pathlib.Path({str(pid)!r}).write_text(str(far.pid))
        time.sleep(60)
        """
    task = asyncio.create_task(module.run(body))
    await asyncio.to_thread(eventually, lambda: pid.exists() and pid.read_text())
    full = ThreadPoolExecutor(1)
    full.shutdown()
    asyncio.get_running_loop().set_default_executor(full)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    eventually(lambda: not alive(int(pid.read_text())))


async def test_cancelling_ends_it_at_once(module: Module, tmp_path: Path) -> None:
    body = f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
    task = asyncio.create_task(module.run(body + "time.sleep(60)"))
    pid = tmp_path / "pid"
    await asyncio.to_thread(eventually, lambda: pid.exists() and pid.read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not Path(f"/proc/{pid.read_text()}").exists(), "ended and reaped"


async def test_no_descriptor_and_no_process_is_left_over_many_calls(module: Module) -> None:
    await module.run("return 'x'")
    before, processes = descriptors(), children()
    bodies = ["return 'x'", "import os; os._exit(1)", "1 / 0", "print('x' * 100_000)"]
    for body in bodies * 2:
        await module.run(body)
    assert before == descriptors()
    assert processes == children()


async def test_no_room_for_a_process_is_said_and_leaves_nothing_open(
    module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = descriptors()
    ended = await module.run("return 'x'")
    assert ended.how == "cannot start a process: No such file or directory"
    assert before == descriptors()


def start_entry(*packets: bytes, daemon: bool = True) -> tuple[int, bytes]:
    """Start what runs in a worker process, the request in these pieces: exit code and answer."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lifeline, ours = os.pipe()
    with near, far, os.fdopen(lifeline), os.fdopen(ours, "w") as alive:
        for packet in packets:
            near.send(packet)
        near.shutdown(socket.SHUT_WR)
        if not daemon:
            alive.close()
        inherited = (far.fileno(), lifeline)
        ended = subprocess.run(
            [sys.executable, "-I", str(child._ENTRY), *map(str, inherited)],
            pass_fds=inherited,
            start_new_session=True,
            timeout=PATIENCE,
        )
        far.shutdown(socket.SHUT_WR)
        return ended.returncode, near.recv(ANSWER)


def request_of(module: Module, text: str) -> bytes:
    """What a worker process gets to try a file with this text."""
    module.write(text)
    return _request(Task(str(module.path), module_file.private_name(module.path)), Limits())


def test_one_that_starts_after_the_daemon_died_ends_at_once(module: Module, tmp_path: Path) -> None:
    """The pipe it would be killed by closed before it could ask for that."""
    loaded = tmp_path / "loaded"
    request = request_of(module, f"open({str(loaded)!r}, 'w')")
    assert start_entry(request, daemon=False) == (1, b"")
    assert not loaded.exists()


@pytest.mark.parametrize("length", [0, 3, 40])
def test_a_request_cut_short_is_not_carried_out(module: Module, length: int) -> None:
    assert start_entry(*[request_of(module, "")[:length]] * bool(length)) == (1, b"")


def test_a_request_may_come_in_pieces(module: Module) -> None:
    request = request_of(module, "")
    assert start_entry(request[:3], request[3:40], request[40:]) == (0, b'{"fault": ""}\n')


async def test_a_module_of_an_installed_package_is_imported_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bought").mkdir()
    (tmp_path / "bought" / "lamp.py").write_text("def on(call, room): return f'{room} lit.'")
    monkeypatch.syspath_prepend(tmp_path)
    payload = pickle.dumps((Call("on", ("attic",)), ["attic"], {}))
    assert text(await run(Task("", "bought.lamp", "on", payload), Limits())) == "attic lit."


async def test_one_that_dies_with_its_request_unread_says_how(
    module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = tmp_path / "entry.py"
    entry.write_text("raise SystemExit(3)")
    monkeypatch.setattr(child, "_ENTRY", entry)
    assert (await module.run("return 'x'")).how == "ended with code 3 before it answered"


def test_workers_end_when_the_daemon_is_killed(module: Module, tmp_path: Path) -> None:
    """Also one that holds the interpreter, and what it started."""
    pids = tmp_path / "pids"
    module.write(
        "import os, subprocess\ndef chore(call):\n"
        "    child = subprocess.Popen(['sleep', '60'])\n"
        f"    open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}} ')\n"
        "    return str(sum(range(10 ** 11)))\n"
    )
    script = f"""
import asyncio, pickle
from pathlib import Path
from housecarl import module_file, process
from housecarl.module import Call
path = Path({str(module.path)!r})
payload = pickle.dumps((Call("chore"), [], {{}}))
task = process.Task(str(path), module_file.private_name(path), "chore", payload)
asyncio.run(process.run(task, process.Limits(timeout=60)))
"""
    daemon = subprocess.Popen([sys.executable, "-c", script])
    try:
        eventually(lambda: pids.exists() and pids.read_text().endswith(" "))
        found = [int(pid) for pid in pids.read_text().split()]
        assert all(alive(pid) for pid in found)
    finally:
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    for pid in found:
        eventually(lambda pid=pid: not alive(pid))  # type: ignore[misc]


async def test_a_file_is_tried_with_its_checks(module: Module) -> None:
    module.write("from housecarl import command\n@command()\ndef f(call, n: int): ...\n")
    assert await try_file(module.path) == ""
    module.write("1 / 0\n")
    assert f"{module.path}:2: ZeroDivisionError: division by zero" == await try_file(module.path)
    module.write(
        "from typing import Annotated\nfrom pydantic import Field\nfrom housecarl import command\n"
        "@command()\ndef f(call, n: Annotated[int, Field(pattern='x')]): ...\n"
    )
    assert "argument n" in await try_file(module.path)


async def test_a_check_of_an_argument_that_breaks_is_told_with_its_line_and_what_to_do(
    module: Module,
) -> None:
    module.write(
        "from typing import Annotated\nfrom housecarl import command\n"
        "from pydantic import AfterValidator\n"
        "def known(word):\n    raise CommandError(f'No gate {word}.')\n"
        "@command()\n"
        "def gate(call: Call, name: Annotated[str, AfterValidator(known)]) -> str:\n"
        "    return 'x'\n"
    )
    assert await try_file(module.path) == (
        f"{module.path}:7: argument name cannot check the word 0: CommandError: No gate 0.;"
        " a check raises ValueError for what is wrong"
    )


async def test_that_no_process_can_be_started_is_no_fault_of_a_file(module: Module) -> None:
    module.write("from housecarl import command\n@command()\ndef f(call): ...\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(ModuleLater, match="cannot start a process: Too many open files"):
            await try_file(module.path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert await try_file(module.path) == ""


@pytest.mark.parametrize(
    ("text", "line", "how"),
    [
        ("import os; os._exit(3)", 1, "ended with code 3 before it answered"),
        ("import ctypes\nctypes.string_at(0)", 3, "was ended by SIGSEGV before it answered"),
    ],
    ids=["no trace", "a trace"],
)
async def test_a_file_that_ends_the_process_at_its_top_level_is_told_with_its_line(
    module: Module, text: str, line: int, how: str
) -> None:
    """The first line, when nothing says which it was."""
    module.write(text)
    assert await try_file(module.path) == f"{module.path}:{line}: its top level {how}"
