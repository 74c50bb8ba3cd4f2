"""A house that runs, and its verbs as processes of their own."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyotp import random_base32
from tests.cli.forked import LOADED, Forker, shared

from housecarl.password import hash_password
from housecarl.testing.house import TestHouse

HOUSECARL = Path(sys.executable).with_name("housecarl")
LOGIN = pwd.getpwuid(os.getuid()).pw_name

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
    for name, secret in (("ann.hash", hash_password("x")), ("ann.totp", random_base32())):
        (folder / name).write_text(f"{secret}\n")
        (folder / name).chmod(0o600)
    with TestHouse(folder, people) as opened:
        yield opened


@pytest.fixture(scope="session")
def verbs() -> Forker:
    """Verbs as processes that start at once, also those that talk to plugs and to servers."""
    return shared().load(LOADED)


@pytest.fixture(scope="module")
def verb(house: TestHouse) -> Verb:
    """Run a verb against the house."""
    return verb_of(house.folder / "housecarl.yaml")


def verb_of(config: Path) -> Verb:
    """Run verbs with a configuration."""

    return partial(shared().run, "-c", config)
