"""What holds for every shipped command, with the registry as the daemon uses it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from housecarl.errors import ConfigError
from housecarl.registry import Registry
from housecarl.shipped import shipped

from .conftest import BUDGET, septets

MAC, KEY = "52:54:00:12:34:56", {"env": "KEY"}
OURS = {"disk", "ipconfig", "ping", "run", "stop", "uptime", "wake", "weather"}


async def test_every_file_loads_and_its_help_fits_one_sms() -> None:
    registry = Registry(shipped("modules"))
    await registry.reload()
    assert not registry.broken and not registry.notes
    assert registry.commands.keys() >= OURS
    for command in registry.commands.values():
        line = f"{command.usage()}: {command.help}"
        assert command.help and septets(line) <= BUDGET, line


@pytest.mark.parametrize(
    ("module", "section", "said"),
    [
        ("ping", {"hosts": {"a b": "192.0.2.1"}}, "modules.ping.hosts.a b: cannot be texted: "),
        ("run", {"programs": {"a b": {"argv": ["x"]}}}, "modules.run.programs.a b: cannot be "),
        ("wake", {"machines": {"n" * 21: {"mac": MAC}}}, ": cannot be texted: a letter or "),
        ("weather", {"contact": "a b"}, "modules.weather.contact: should be one address or page"),
        ("weather", {"station": {"id": "kco", "key": KEY}}, ".station.id: should be a station "),
        ("weather", {"second": "https://x.example/met"}, ".second: should be https:// and a host"),
    ],
)
async def test_a_setting_of_another_form_is_told_in_words(
    module: str, section: dict[str, Any], said: str
) -> None:
    registry = Registry(shipped("modules"), settings={module: section})
    await registry.reload()
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        registry.check_settings()
    assert "pattern" not in str(caught.value)
