"""Loading modules with their commands: from a file, from installed packages."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import structlog

from housecarl import module_file
from housecarl.command_index import Entry
from housecarl.commands import Command, commands_of
from housecarl.errors import ModuleError
from housecarl.thread import in_thread

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

log = structlog.get_logger()

#: the entry point group by which installed packages bring modules
GROUP = "housecarl.modules"


def load(
    path: Path, section: str, source: bytes | None = None
) -> tuple[ModuleType, tuple[Command, ...]]:
    """One file with its commands; raises ModuleError. `source`: what it held when it was tried."""
    module = module_file.load(path, module_file.private_name(path), source)
    return module, _commands(module, section, path)


def _commands(module: ModuleType, section: str, path: Path) -> tuple[Command, ...]:
    try:
        commands = tuple(commands_of(module, section, str(path)))
    except BaseException as error:  # an object at its top level may answer with any, sys.exit too
        raise ModuleError(module_file.fault(error, path)) from error
    if not commands:
        raise ModuleError(
            f"{path}:1: no @command in it; the name of what is no module starts with _"
        )
    return commands


async def installed(limit: float, settled: Callable[[Entry], Entry]) -> dict[str, Entry]:
    """The modules of installed packages by what their entry points name; broken ones hold why.

    One whose import, with its settings, takes longer than `limit` seconds is broken, and keeps no
    other waiting. `settled` gives an entry its settings.
    """
    points = await in_thread(_points, limit)
    entries = await asyncio.gather(*(_in_time(point, limit, settled) for point in points))
    return {point.value: entry for point, entry in zip(points, entries, strict=True)}


def _points() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=GROUP))


async def _in_time(point: EntryPoint, limit: float, settled: Callable[[Entry], Entry]) -> Entry:
    try:
        return await in_thread(lambda: settled(_installed(point)), limit)
    except TimeoutError:
        package = point.dist.name if point.dist else point.module
        fault = f"{point.value} of the package {package}: its import took longer than {limit:g} s"
        log.warning("module off", file=point.value, fault=fault)
        return Entry(point.value, point.name, None, error=fault)


def _installed(point: EntryPoint) -> Entry:
    path = Path(point.value)
    try:
        spec = importlib.util.find_spec(point.module)
        path = Path((spec and spec.origin) or point.value)
        module = point.load()
        if not isinstance(module, ModuleType):
            raise ModuleError(f"{point.value}: the entry point {point.name} is no module")
        return Entry(str(path), point.name, None, module, _commands(module, point.name, path))
    except BaseException as error:  # noqa: BLE001  sys.exit in a package must not end the daemon
        fault = module_file.fault(error, path)
        log.warning("module off", file=point.value, fault=fault)
        return Entry(str(path), point.name, None, error=fault)
