"""Behaviour of the disk command."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest

from .conftest import Commands, sms


@pytest.fixture
def disk(load: Callable[[str], Commands]) -> Commands:
    return load("disk")


async def test_it_tells_the_root_of_this_machine(disk: Commands) -> None:
    reply = await disk.run("disk")
    text = sms(reply)
    assert re.match(r"\S+ \d+% \([\d.]+ [TGM]B free\)", text)
    shown = os.statvfs("/")
    used = shown.f_blocks - shown.f_bfree
    percent = 100 * used / (used + shown.f_bavail)
    root = dict(reply.rows)["/"]
    assert abs(int(root.partition("%")[0]) - percent) <= 1


def test_the_words_in_both_units(disk: Commands) -> None:
    """The fullest and the warmest come first."""
    module = disk.module
    disks = [module.Disk("/", 61, 1_240_000_000_000), module.Disk("/srv", 93.4, 120_400_000_000)]
    sensors = [("disk", 41.0), ("CPU", 54.0)]
    assert sms(module._said(disks, sensors, False)) == (
        "/srv 93% (120 GB free), / 61% (1.2 TB free). Warmest: CPU 54 C."
    )
    reply = module._said(disks, sensors, True)
    assert sms(reply).endswith("Warmest: CPU 129 F.")
    assert list(reply.rows[2:]) == [("CPU", "129 F"), ("disk", "106 F")]
    assert sms(module._said([], [], True)) == "No disk of its own."


def test_many_long_mount_points_fit_one_sms(disk: Commands) -> None:
    module = disk.module
    disks = [module.Disk(f"/media/{'deep/' * 20}{n}", 100.0, 999_900_000) for n in range(30)]
    text = sms(module._said(disks, [("acpitz-" * 3, 300.0)], True))
    assert re.search(r", and 2[6-9] more\. Warmest", text)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 MB"), (5_200_000, "5.2 MB"), (58_000_000_000, "58 GB"), (12e12, "12 TB")],
)
def test_bytes_are_told_with_their_unit(disk: Commands, count: float, text: str) -> None:
    assert disk.module._bytes(count) == text
