"""Verbs as processes of their own, forked from one that has imported all of them already.

`python -m tests.cli.forked` reads JSON objects, one a line: names to `load`, `words` to start, with
the `files` that are its input, output and errors, the `folder` and the environment it runs in, or
the `pid` to wait for. It answers each with a number: the pid of what was started, the exit code of
what was waited for, 0 for what was loaded.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from tests import once
from tests.cli.terminal import Typist

from housecarl import cli, clock, module_load, reply
from housecarl.shipped import shipped

#: What many verbs import when they run, themselves included.
COMMON = (
    *(f"housecarl.cli.{file}" for file, _ in cli.VERBS.values()),
    "housecarl.daemon",
    "housecarl.rehearsal",
    "phonenumbers",
)

#: What the verbs that talk to plugs and to servers import besides.
LOADED = (
    *(f"housecarl.cli.{name}" for name in ("flash_here", "flash_handed")),
    "housecarl.doctor",
    "housecarl.plugs.find",
    "housecarl.plugs.flash",
    "kasa.transports.xortransport",
    "aiohttp.web",
)

#: What a verb finds in its environment besides what the test has: nobody wants colours, and how it
#: tells to call it does not depend on whether this virtual environment is active.
QUIET = {
    "NO_COLOR": "1",
    "TERM": "dumb",
    "PATH": os.pathsep.join(
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if folder != str(Path(sys.executable).parent)
    ),
}

ROOT = Path(__file__).parents[2]


@dataclass
class Forker:
    """Starts verbs; `folder` is where what they write is kept."""

    process: subprocess.Popen[str]
    folder: Path

    def run(
        self,
        *words: object,
        typed: str = "",
        env: Mapping[str, str] | None = None,
        out: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end in the current folder, away from any terminal.

        What it prints is returned, unless `out` is the file that it goes to.
        """
        given = [str(word) for word in words]
        files = [str(self.folder / name) for name in ("in", "out", "err")]
        Path(files[0]).write_text(typed)
        code = self._start(given, [files[0], out or files[1], files[2]], env).wait()
        said = "" if out else Path(files[1]).read_text()
        return subprocess.CompletedProcess(given, code, said, Path(files[2]).read_text())

    @contextmanager
    def at_terminal(
        self, *words: object, env: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Typist, Forked]]:
        """A verb that believes a person sits before it; killed when it does not end by itself."""
        ours, theirs = pty.openpty()
        verb = self._start(words, [os.ttyname(theirs)] * 3, env)
        os.close(theirs)
        try:
            yield Typist(ours), verb
        finally:
            verb.end()
            os.close(ours)

    @contextmanager
    def beside(self, *words: object) -> Iterator[tuple[TextIO, Forked]]:
        """A verb that runs on, and what it writes as errors; killed when it does not end."""
        ours, theirs = os.pipe()
        null = os.devnull
        verb = self._start(words, [null, null, f"/proc/{os.getpid()}/fd/{theirs}"], None)
        os.close(theirs)
        try:
            with os.fdopen(ours) as errors:
                yield errors, verb
        finally:
            verb.end()

    def load(self, names: Sequence[str]) -> Forker:
        """Import what the verbs to come need, once for all of them."""
        self.ask(load=list(names))
        return self

    def _start(
        self, words: Sequence[object], files: list[str], env: Mapping[str, str] | None
    ) -> Forked:
        env = {**os.environ, **QUIET, **(env or {})}
        given = [str(word) for word in words]
        return Forked(self, self.ask(words=given, files=files, folder=str(Path.cwd()), env=env))

    def ask(self, **request: Any) -> int:
        """One request and its number."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@dataclass
class Forked:
    """A verb that runs."""

    forker: Forker
    pid: int
    code: int | None = None

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self.code is None:
            self.code = self.forker.ask(pid=self.pid)
        return self.code

    def end(self) -> None:
        """Kill it when it has not ended."""
        if self.code is None:
            self.send_signal(9)
            self.wait()


@cache
def shared() -> Forker:
    """The one process that starts the verbs of all tests here; it ends with its input."""
    ready = ExitStack()
    atexit.register(ready.close)
    folder = Path(ready.enter_context(TemporaryDirectory()))
    return ready.enter_context(forker(folder)).load(COMMON)


@contextmanager
def forker(folder: Path, through: Sequence[str] = ()) -> Iterator[Forker]:
    """Have a process ready that starts verbs, itself started `through` a command."""
    with subprocess.Popen(
        [*through, sys.executable, "-m", "tests.cli.forked"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield Forker(process, folder)
        finally:
            process.kill()


def _start(words: list[str], files: list[str], folder: str, env: Mapping[str, str]) -> int:
    """Fork the program `housecarl`; its pid. In the child it never returns."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOCTTY
    opened = [os.open(file, flags | (n and os.O_TRUNC), 0o600) for n, file in enumerate(files)]
    child = os.fork()
    if child:
        for file in opened:
            os.close(file)
        return child
    os.setsid()
    # `make test &` and nohup start us deaf to these
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for number, file in enumerate(opened):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    sys.argv = [str(Path(sys.executable).with_name("housecarl")), *words]
    code: object = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - a fork must not come back into its parent
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _read_once() -> None:
    """What a verb that opens a house reads: here it is read before any is forked."""
    once.read_once(setattr)
    module_load._points()
    for path in sorted(shipped("modules").glob("*.py")):
        if not path.name.startswith("_"):
            module_load.load(path, path.stem)
    for name in reply.TEMPLATES:
        reply._environment().get_template(name)


def _serve() -> None:
    _read_once()
    for line in sys.stdin:
        request = json.loads(line)
        if "load" in request:
            for name in request["load"]:
                importlib.import_module(name)
            gc.freeze()  # or each fork would copy what it only looks at
            number = 0
        elif "words" in request:
            number = _start(**request)
        else:
            number = os.waitstatus_to_exitcode(os.waitpid(request["pid"], 0)[1])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    clock.SETTLE_SECONDS = 0.0  # as tests.long_up
    _serve()
