"""docs/performance.md names only benchmarks that there are, with options that they have."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "performance.md").read_text()
BUDGET = (ROOT / "benchmarks" / "budget.py").read_text()

#: Each command of the page: what stands after `python -m`.
COMMANDS = sorted(set(re.findall(r"python -m (benchmarks\.[^`\n]+)", PAGE)))

#: A short form of each benchmark that no other test runs.
SHORT = (
    "budget --count 5",
    "compare --rounds 1 --count 100 --idle 0 --backlog 20",
    "line --count 20",
    "log --count 100 --rounds 1",
    "plug --count 5",
)

#: Runs each module that is named with --help.
ASK = """
import runpy, sys
for name in sys.argv[1:]:
    sys.argv = [name, "--help"]
    try:
        runpy.run_module(name, run_name="__main__")
    except SystemExit:
        print(end="\\0")
"""


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What --help says of each benchmark on the page; what they import is imported once."""
    names = sorted({command.split()[0] for command in COMMANDS})
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return dict(zip(names, done.stdout.split("\0"), strict=False))


def test_the_page_names_what_it_measured_with() -> None:
    measured = {command.split()[0] for command in COMMANDS}
    assert {"benchmarks.compare", "benchmarks.budget", "benchmarks.log"} <= measured


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_the_page_is_one_that_can_be_run(command: str, helps: dict[str, str]) -> None:
    name, *words = shlex.split(command)
    assert helps[name].startswith("usage:")
    for option in (word for word in words if word.startswith("-")):
        assert re.search(rf"(?m){option}\b", helps[name]), option


def test_the_budget_on_the_page_has_the_steps_that_are_measured() -> None:
    told = re.findall(r"(?m)^    ( *\S.*?) {2,}\d+$", PAGE.partition("## The budget")[2])
    measured = re.findall(r'(?m)^    \("( *[^"]+)", \d, ', BUDGET)
    assert told[: len(measured)] == measured


@pytest.mark.long
@pytest.mark.parametrize("command", SHORT)
def test_a_benchmark_still_runs_on_the_program_as_it_is(command: str) -> None:
    name, *options = command.split()
    subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )
