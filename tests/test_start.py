"""A start is quick and small: what only some messages need is not loaded with the daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from housecarl.shipped import shipped

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


@pytest.mark.long
def test_a_verb_that_reads_the_journal_loads_nothing_of_the_daemon() -> None:
    """Cron calls `send` and `status` often: no SMTP door, no watch of folders."""
    found = loaded_by("import housecarl.cli.journal")
    assert "housecarl" in found and not found & {"aiosmtpd", "watchdog"}


@pytest.mark.long
def test_what_ships_is_not_compiled_anew_at_each_start(tmp_path: Path) -> None:
    """Python's kept bytecode does for the modules that come with housecarl, not for one's own."""
    own = tmp_path / "own.py"
    own.write_text("kept = True\n")
    ours = sorted(shipped("modules").glob("*.py"))[0]
    code = f"""
import sys
from pathlib import Path
from housecarl import module_file
compiled = []
sys.addaudithook(lambda event, words: event == "compile" and compiled.append(str(words[1])))
for path in ({str(ours)!r}, {str(own)!r}):
    module_file.load(Path(path), "x")
print(*compiled)
"""
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    for compiled in ([str(ours), str(own)], [str(own)]):
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        assert [each for each in done.stdout.split() if each in (str(ours), str(own))] == compiled


@pytest.mark.long
def test_a_start_lets_go_of_what_only_its_configuration_needed(tmp_path: Path) -> None:
    """By the time the daemon runs: the numbering plans are gone, the libraries passed over."""
    config = tmp_path / "housecarl.yaml"
    phones = 'addresses: [ann@example.org], phones: ["+1 303 555 0123"], may: ["*"]'
    config.write_text(f"house: Elm\nspool: spool\npeople:\n  ann: {{{phones}}}\n")
    code = f"""
import gc, sys
from housecarl import cli, daemon
async def run(self):
    print(self.loaded.config.people["ann"].phones, "yaml" in sys.modules)
    print("phonenumbers" in sys.modules, gc.get_freeze_count() > 0, gc.get_threshold()[0] > usual)
    self.ready.set()
daemon.Daemon.run = run
usual = gc.get_threshold()[0]
sys.argv = ["housecarl", "-c", {str(config)!r}, "run"]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines() == ["['+13035550123'] True", "False True True"]
