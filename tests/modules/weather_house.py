"""A house whose weather comes from a `Sky`, and what its tests say again and again."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from housecarl import CommandError

from .conftest import Commands
from .sky_server import Sky, day


def configure(weather: Commands, sky: Sky, **values: Any) -> None:
    bases = dict.fromkeys(("forecast", "geocoding", "second", "stations"), sky.base)
    weather.set(**{**bases, **values})


async def refusal(weather: Commands, *words: str) -> str:
    with pytest.raises(CommandError) as caught:
        await weather.run("weather", *words)
    text = str(caught.value)
    assert len(text) <= 160 and text.isascii() and text.isprintable(), text
    return text


def impatient(weather: Commands, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that never answers is given up soon; any other fault has all the time it needs."""
    if fault == "slow":
        monkeypatch.setattr(weather.module, "EACH", 0.1)


async def age(weather: Commands, seconds: float) -> None:
    """Let the kept forecasts be older."""
    kept = await weather.hand.store.get("forecasts")
    for one in kept.values():
        one["at"] -= seconds
        one["until"] -= seconds
    await weather.hand.store.set("forecasts", kept)


def weekday(ahead: int) -> str:
    return f"{date.fromisoformat(day(ahead)):%a}"


def us() -> str:
    return (
        "Denver: 41 F, partly cloudy, feels 36, wind W 9 mph. Today 28-47, rain 20%. "
        f"{weekday(1)} 30-52 clear."
    )
