"""What every house and every verb does anew at its start, and a process of the tests once.

The same file, the same path: the same answer, each time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

from housecarl import module_load
from housecarl.commands import Command
from housecarl.shipped import shipped

Load = Callable[..., tuple[ModuleType, tuple[Command, ...]]]


def read_once(patch: Callable[[object, str, Any], None]) -> None:
    """Have `patch` put in place what reads once."""
    patch(module_load, "load", loading(module_load.load))
    patch(module_load, "_points", searching(module_load._points))


def loading(load: Load) -> Load:
    """`load`, for which a shipped module is loaded once: they keep nothing, so the same will do."""
    loaded: dict[Path, tuple[ModuleType, tuple[Command, ...]]] = {}

    def load_once(
        path: Path, section: str, source: bytes | None = None
    ) -> tuple[ModuleType, tuple[Command, ...]]:
        if path.parent != shipped("modules"):
            return load(path, section, source)
        if path not in loaded:
            loaded[path] = load(path, section)
        module, _ = loaded[path]
        sys.modules[module.__name__] = module
        return loaded[path]

    return load_once


def searching(search: Callable[[], list[EntryPoint]]) -> Callable[[], list[EntryPoint]]:
    """`search`, which asks every installed package for modules, once for each path."""
    found: dict[tuple[str, ...], list[EntryPoint]] = {}

    def search_once() -> list[EntryPoint]:
        key = tuple(sys.path)
        if key not in found:
            found[key] = search()
        return found[key]

    return search_once
