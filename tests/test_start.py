"""A start is quick and small: what only some messages need is not loaded with the daemon."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Libraries that cost more than 10 ms or 1 MiB; each is imported by the function that needs it.
HEAVY = {"aiohttp", "kasa", "dkim", "dns", "argon2", "phonenumbers", "jinja2"}


def loaded_by(code: str) -> set[str]:
    """The top-level packages that some code loads in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    names = (line.rpartition("|")[2].strip() for line in done.stderr.splitlines())
    return {name.partition(".")[0] for name in names}


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What a start of the daemon loads."""
    return loaded_by("import housecarl.daemon")


def test_the_daemon_is_loaded(loaded: set[str]) -> None:
    assert {"housecarl", "asyncio"} <= loaded


def test_no_heavy_library_is_loaded_with_the_daemon(loaded: set[str]) -> None:
    assert loaded & HEAVY == set()


def test_a_process_that_tries_a_module_file_loads_neither_the_log_nor_the_loop() -> None:
    """Each file of one's own costs a process at each start and each `check`."""
    found = loaded_by("import housecarl.commands, housecarl.module_file")
    assert "housecarl" in found and not found & {"structlog", "asyncio", "pydantic"}
