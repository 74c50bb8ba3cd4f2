"""Verbs as processes of their own, forked from one that has imported all of them already.

Started with `python -m tests.cli.forked`; each line of its input is a JSON list of words, each line
of its output a JSON object of the exit code and of what was written.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from housecarl import cli

#: What the verbs of these tests import, once for all of them.
LOADED = (
    *(f"housecarl.cli.{name}" for name in ("plugs", "firmware", "flash_here", "flash_handed")),
    "housecarl.plugs.find",
    "housecarl.plugs.flash",
    "kasa.transports.xortransport",
    "aiohttp.web",
)

ROOT = Path(__file__).parents[2]


class Forker:
    """Runs verbs, one after another."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        typed = [str(word) for word in words]
        self._process.stdin.write(json.dumps(typed) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess(typed, said["code"], said["out"], said["err"])


@contextmanager
def forker() -> Iterator[Forker]:
    """Have a process ready that runs verbs."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.forked"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
    ) as process:
        try:
            yield Forker(process)
        finally:
            process.kill()


def _child(words: list[str], out: int, err: int) -> None:
    """Be the program `housecarl`; never returns."""
    with open(os.devnull) as nothing:  # noqa: PTH123  a descriptor is what is wanted
        for number, file in enumerate((nothing.fileno(), out, err)):
            os.dup2(file, number)
    sys.argv = ["housecarl", *words]
    code: object = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _serve() -> None:
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            child = os.fork()
            if child == 0:
                _child(json.loads(line), out.fileno(), err.fileno())
            _, status = os.waitpid(child, 0)
            out.seek(0)
            err.seek(0)
            said = {"out": out.read(), "err": err.read()}
        code = os.waitstatus_to_exitcode(status)
        sys.stdout.write(json.dumps({**said, "code": code}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
