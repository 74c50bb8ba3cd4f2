"""Where the programs of others are that the tests drive: on the path, or where CI puts them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_CI = Path(__file__).parents[1] / ".ci"

#: what `.ci/counterparts` fills: packages of node, which `require` finds by this folder
NODE_MODULES = _CI / "node" / "node_modules"

_FOLDERS = [Path(sys.executable).parent, NODE_MODULES / ".bin", _CI / ".venv" / "bin"]
_PATH = os.pathsep.join([*map(str, _FOLDERS), os.environ.get("PATH", os.defpath)])


def installed(name: str) -> Path | None:
    """A program by its name, or the folder of a package of node that is no program."""
    found = shutil.which(name, path=_PATH)
    if found:
        return Path(found)
    package = NODE_MODULES / name
    return package if (package / "package.json").exists() else None
