"""How the daemon of a configuration is started here: by systemd, or by hand."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from housecarl import config_file
from housecarl.errors import ConfigError, NotAllowed

#: Where install.md puts the unit, and where packages do.
UNITS = (
    Path("/etc/systemd/system/housecarl.service"),
    Path("/usr/lib/systemd/system/housecarl.service"),
)


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
