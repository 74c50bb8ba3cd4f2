"""What holds for every shipped command, with the registry as the daemon uses it."""

from __future__ import annotations

from housecarl.registry import Registry
from housecarl.shipped import shipped

from .conftest import BUDGET, septets

OURS = {"disk", "ipconfig", "ping", "run", "stop", "uptime", "wake", "weather"}


async def test_every_file_loads_and_its_help_fits_one_sms() -> None:
    registry = Registry(shipped("modules"))
    await registry.reload()
    assert not registry.broken and not registry.notes
    assert registry.commands.keys() >= OURS
    for command in registry.commands.values():
        line = f"{command.usage()}: {command.help}"
        assert command.help and septets(line) <= BUDGET, line
