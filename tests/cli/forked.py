"""Verbs as processes of their own, forked from one that has imported all of them already.

`python -m tests.cli.forked MODULE...` reads JSON objects, one a line: `words` to start, with the
`files` that are its input, output and errors, the `folder` and the environment it runs in, or the
`pid` to wait for. It answers each with a number: the pid of what was started, the exit code of what
was waited for.
"""

from __future__ import annotations

import importlib
import json
import os
import pty
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.terminal import Typist

from housecarl import cli

#: What the verbs of these tests import, once for all of them.
LOADED = (
    *(f"housecarl.cli.{name}" for name in ("plugs", "firmware", "flash_here", "flash_handed")),
    "housecarl.doctor",
    "housecarl.plugs.find",
    "housecarl.plugs.flash",
    "kasa.transports.xortransport",
    "aiohttp.web",
)

ROOT = Path(__file__).parents[2]


@dataclass
class Forker:
    """Starts verbs; `folder` is where what they write is kept."""

    process: subprocess.Popen[str]
    folder: Path

    def run(
        self, *words: object, typed: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end in the current folder, away from any terminal."""
        given = [str(word) for word in words]
        files = [str(self.folder / name) for name in ("in", "out", "err")]
        Path(files[0]).write_text(typed)
        more = {} if env is None else {"env": dict(env)}
        pid = self.ask(words=given, files=files, folder=str(Path.cwd()), **more)
        code = self.ask(pid=pid)
        out, err = (Path(file).read_text() for file in files[1:])
        return subprocess.CompletedProcess(given, code, out, err)

    @contextmanager
    def at_terminal(self, *words: object) -> Iterator[tuple[Typist, Forked]]:
        """A verb that believes a person sits before it; killed when it does not end by itself."""
        ours, theirs = pty.openpty()
        typed = [str(word) for word in words]
        verb = Forked(self, self.ask(words=typed, files=[os.ttyname(theirs)] * 3))
        os.close(theirs)
        try:
            yield Typist(ours), verb
        finally:
            if verb.code is None:
                verb.send_signal(9)
                verb.wait()
            os.close(ours)

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


@contextmanager
def forker(folder: Path, loaded: Sequence[str] = LOADED) -> Iterator[Forker]:
    """Have a process ready that starts verbs."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forked", *loaded],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb"},
    ) as process:
        try:
            yield Forker(process, folder)
        finally:
            process.kill()


def _start(
    words: list[str], files: list[str], folder: str = "", env: Mapping[str, str] | None = None
) -> int:
    """Fork the program `housecarl`; its pid. In the child it never returns."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOCTTY
    opened = [os.open(file, flags | (n and os.O_TRUNC), 0o600) for n, file in enumerate(files)]
    child = os.fork()
    if child:
        for file in opened:
            os.close(file)
        return child
    os.setsid()
    for number, file in enumerate(opened):
        os.dup2(file, number)
        os.close(file)
    if folder:
        os.chdir(folder)
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
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


def _serve() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        if "words" in request:
            number = _start(**request)
        else:
            number = os.waitstatus_to_exitcode(os.waitpid(request["pid"], 0)[1])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
