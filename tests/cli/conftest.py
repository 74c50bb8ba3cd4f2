"""A house that runs, and its verbs as processes of their own."""

from __future__ import annotations

import atexit
import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.cli.forked import Forker, forker

from housecarl.cli import VERBS
from housecarl.testing.house import TestHouse

HOUSECARL = Path(sys.executable).with_name("housecarl")
LOGIN = pwd.getpwuid(os.getuid()).pw_name

#: What many verbs import when they run, besides themselves.
MORE = (
    "housecarl.daemon",
    "housecarl.rehearsal",
    "phonenumbers",
)

Verb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHouse]:
    """One running house for all tests of a file."""
    people: dict[str, Any] = {
        "ann": {
            "phones": ["+13035550123"],
            "addresses": ["ann@example.org"],
            "may": ["*"],
            "unix": [LOGIN],
            "login": {"user": "ann", "hash": {"file": "ann.hash"}},
            "totp": {"file": "ann.totp"},
        },
        "bo": {"phones": ["+13035550199"], "may": ["uptime"]},
    }
    folder = tmp_path_factory.mktemp("house")
    for name in ("ann.hash", "ann.totp"):
        (folder / name).write_text("nothing yet\n")
        (folder / name).chmod(0o600)
    with TestHouse(folder, people) as opened:
        yield opened


@pytest.fixture(scope="module")
def verbs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """Verbs as processes that start at once."""
    with forker(tmp_path_factory.mktemp("verbs")) as ready:
        yield ready


@pytest.fixture(scope="module")
def verb(house: TestHouse) -> Verb:
    """Run a verb against the house."""
    return verb_of(house.folder / "housecarl.yaml")


def verb_of(config: Path) -> Verb:
    """Run verbs with a configuration."""

    def run(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "NO_COLOR": "1"}
        return _forker().run("-c", config, *words, typed=typed, env=env)

    return run


@cache
def _forker() -> Forker:
    """The one process that starts the verbs of all tests here; it ends with its input."""
    names = [f"housecarl.cli.{file}" for file, _ in VERBS.values()]
    ready = ExitStack()
    atexit.register(ready.close)
    folder = Path(ready.enter_context(TemporaryDirectory()))
    return ready.enter_context(forker(folder, [*names, *MORE]))
