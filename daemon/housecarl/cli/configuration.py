"""The configuration as the verbs use it, also where it is broken or does not know a name."""

from __future__ import annotations

from pathlib import Path

from housecarl import config_file, service
from housecarl.config_file import Loaded
from housecarl.errors import ConfigError


def load(given: Path | None) -> Loaded:
    """The configuration that -c, the environment or the usual places name."""
    return config_file.load(config_file.find(given))


def stranger(name: str, loaded: Loaded) -> str:
    """What is said of a name that the configuration does not have, as another one may."""
    known = ", ".join(sorted(loaded.config.people)) or "nobody"
    return f"no {name} in {loaded.source.path}, which knows {known}"


def former(file: Path, error: ConfigError) -> tuple[Path, str]:
    """The spool of a house that runs on with the former text of a file, and that told of it.

    Raises `error` when there is no such house.
    """
    spool = config_file.likely_spool(file)
    if not service.is_running(spool):
        raise error
    first = str(error.problems[0]).partition("\n")[0]
    return spool, f"the former configuration goes on, the file is broken: {first}"
