"""The plugs and the firmware folder of the configuration, as the verbs about devices use them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from housecarl import module_file, module_settings
from housecarl.errors import ConfigError
from housecarl.shipped import shipped

if TYPE_CHECKING:
    from housecarl.config_file import Loaded
    from housecarl.plugs.preflight import Rules


def settings_of(loaded: Loaded, name: str) -> Any:
    """The checked section of a shipped module; raises ConfigError as `check` does."""
    path = shipped("modules") / f"{name}.py"
    known = module_file.private_name(path)
    module = sys.modules.get(known) or module_file.load(path, known)
    source, sections = loaded.source, loaded.config.modules.settings
    checked = module_settings.check(module, name, sections, source.problem, source.context)
    if checked.problems or checked.unset:
        unset = source.problem(("modules", name), checked.unset)
        raise ConfigError(*(checked.problems or (unset,)))
    return checked.settings


def folder_of(loaded: Loaded, settings: Any) -> Path:
    """The firmware folder; raises ConfigError with what to write when there is none."""
    if settings.folder is None:
        text = "no firmware folder; write `firmware: {folder: FOLDER}` under `modules`"
        raise ConfigError(loaded.source.problem(("modules", "firmware"), text))
    return Path(settings.folder)


def rules_of(loaded: Loaded, settings: Any, *, needed: bool = True) -> Rules:
    """What this house asks for before a flash. Raises ConfigError, ImageError for a bad key.

    A firmware folder is not `needed` for a plug that takes its firmware from the cloud.
    """
    from housecarl.plugs import image
    from housecarl.plugs.preflight import Rules

    key = image.load_key(settings.key) if settings.key else None
    folder = folder_of(loaded, settings) if needed else None
    return Rules(folder, settings.serve_on, key, settings.max_load, settings.pace)
