"""Behaviour of the uptime command."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import cost

from housecarl.module import House

from .conftest import Commands

SPAN = r"(\d+ d \d+ h|\d+ h \d+ min|\d+ min|\d+ s)"


@pytest.fixture
def uptime(load: Callable[[str], Commands]) -> Commands:
    return load("uptime")


async def test_it_says_what_the_house_does(uptime: Commands) -> None:
    text = await uptime.text("uptime")
    assert re.fullmatch(
        rf"Elm Street up {SPAN}, load \d+\.\d\d, mem \d+%, disk \d+%\. housecarl up {SPAN}\.",
        text,
    )


async def test_a_long_house_name_fits_one_sms(uptime: Commands) -> None:
    uptime.house = House("The Old Mill at the Lower End of the Long Valley" * 2)
    assert (await uptime.text("uptime")).startswith("The Old Mill at the Lower End of the Lon up")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (42.9, "42 s"),
        (60, "1 min"),
        (3600 * 4 + 7 * 60, "4 h 7 min"),
        (86400 * 12 + 3600 * 4.9, "12 d 4 h"),
    ],
)
def test_a_span_shows_its_two_largest_parts(uptime: Commands, seconds: float, text: str) -> None:
    assert uptime.module._span(seconds) == text


def test_memory_is_left_out_where_the_kernel_hides_it(uptime: Commands, tmp_path: Path) -> None:
    """ProcSubset=pid of the systemd unit hides /proc/meminfo."""
    assert uptime.module._memory(tmp_path / "meminfo") == ""
    odd = tmp_path / "odd"
    odd.write_text("MemTotal: 0 kB\nMemAvailable: 0 kB\n")
    assert uptime.module._memory(odd) == ""
    odd.write_text("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 620 kB\n")
    assert uptime.module._memory(odd) == "38%"


async def test_it_never_holds_up_the_loop(uptime: Commands) -> None:
    """It is the benchmark command: well under a millisecond each."""
    with cost.at_most(0.05):
        for _ in range(50):
            await uptime.run("uptime")
