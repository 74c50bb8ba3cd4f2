"""Where the folders that come with housecarl are."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """The folder `name`: inside the package once installed, at the top of a checkout."""
    inside = Path(__file__).with_name(name)
    return inside if inside.is_dir() else Path(__file__).parents[2] / name
