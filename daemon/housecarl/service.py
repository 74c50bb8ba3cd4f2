"""The daemon of a configuration: whether it runs, and how it is started here."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from housecarl import config_file
from housecarl.errors import ConfigError, NotAllowed
from housecarl.journal import JOURNAL
from housecarl.lock import held

#: Where install.md puts the unit, and where packages do.
UNITS = (
    Path("/etc/systemd/system/housecarl.service"),
    Path("/usr/lib/systemd/system/housecarl.service"),
)

#: Seconds for one answer of systemctl.
ANSWER_SECONDS = 4.0


class Astray(NamedTuple):
    """That systemd runs a daemon, but not on the spool in question; and what to do about it."""

    text: str
    mend: str

    def __str__(self) -> str:
        return f"{self.text}: {self.mend}"


def is_running(spool: Path) -> bool:
    """Whether a daemon serves a spool."""
    return held(spool / JOURNAL.parent) is not None


def is_installed(config: Path) -> bool:
    """Whether systemd is to run the daemon of this configuration."""
    if config.absolute() != config_file.SERVICE_FILE or shutil.which("systemctl") is None:
        return False
    return any(path.is_file() for path in UNITS)


def start(config: Path, *, enable: bool = False) -> str:
    """The command that starts the daemon of a configuration; `enable`: at each boot too."""
    if is_installed(config):
        return f"systemctl {'enable --now' if enable else 'start'} housecarl"
    return called(config, "run")


def reload(config: Path) -> str:
    """What makes the daemon of a configuration read it again."""
    return "`systemctl reload housecarl`" if is_installed(config) else "SIGHUP or a restart"


def astray(config: Path, spool: Path) -> Astray | None:
    """For who met no daemon at a spool: that systemd runs it all the same, None if not; blocks.

    A start would do nothing, and a restart make a new, empty spool.
    """
    if not is_installed(config) or asked("housecarl", "ActiveState").get("ActiveState") != "active":
        return None
    mend = f"mount its disk, or put it back; if `spool` was changed, {reload(config)}"
    return Astray(f"the daemon runs, but not on {spool}", mend)


def asked(unit: str, *properties: str) -> dict[str, str]:
    """The properties of a unit of systemd; none when it does not answer. Blocks."""
    command = ["systemctl", "show", unit, "--property", ",".join(properties)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        # what a unit says more than once has a line for each time
        found[name] = f"{found[name]} {value}" if name in found else value
    return found


def called(config: Path, verb: str) -> str:
    """A verb as this shell finds the program, with -c where the file is not found without."""
    try:
        usual = config_file.find().absolute() == config.absolute()
    except (ConfigError, NotAllowed):
        usual = False
    named = "" if usual else f" -c {shlex.quote(str(config))}"
    return f"{program()}{named} {verb}"


def program() -> str:
    """How this shell calls us: by name, or by the path when that is not on its PATH."""
    own, found = Path(sys.argv[0]), shutil.which("housecarl")
    by_name = not own.is_file() or (found is not None and own.samefile(found))
    return "housecarl" if by_name else shlex.quote(str(own))
