"""Regular work of a module: what it finds is told once, what breaks in it hurts nobody."""

from __future__ import annotations

from pathlib import Path

from housecarl.journal import conditions
from housecarl.testing.clock import FakeClock
from housecarl.testing.house import TestHouse

CELLAR = '''
"""Watch the cellar."""
from pathlib import Path

from housecarl import Call, Finding, Regular, Reply, command
from pydantic import BaseModel


class Settings(BaseModel):
    sensor: Path


async def look(call: Call) -> list[Finding]:
    words = call.settings.sensor.read_text().split()
    return [Finding(word, word != "wet", f"The {word} cellar.") for word in words]


@command(regular=Regular(lambda settings: 1.0, look))
async def cellar(call: Call) -> Reply:
    """Tell how the cellar is."""
    return Reply("cellar.")
'''

BROKEN = '''
"""Two rules that break."""
from housecarl import Call, Finding, Regular, Reply, command


def every(settings: object) -> float:
    raise ValueError("no interval")


async def look(call: Call) -> list[Finding]:
    raise ValueError("no look")


async def odd(call: Call) -> list[Finding]:
    return None


@command(regular=Regular(every, look))
async def broken(call: Call) -> Reply:
    """Break."""
    return Reply("broken.")


@command(regular=Regular(lambda _: 60, look))
async def torn(call: Call) -> Reply:
    """Tear."""
    return Reply("torn.")


@command(regular=Regular(lambda _: 60, odd))
async def strange(call: Call) -> Reply:
    """Be strange."""
    return Reply("strange.")
'''


def test_what_is_found_is_told_once_and_forgotten_when_it_is_no_more(tmp_path: Path) -> None:
    folder, sensor, clock = tmp_path / "mine", tmp_path / "sensor", FakeClock()
    folder.mkdir()
    (folder / "cellar.py").write_text(CELLAR)
    (folder / "broken.py").write_text(BROKEN)
    sensor.write_text("wet dark")
    modules = {"folders": [str(folder)], "cellar": {"sensor": str(sensor)}}
    people = {"ann": {"addresses": ["ann@example.org"], "may": ["*"]}}
    with TestHouse(tmp_path, people, modules, clock=clock) as house:
        assert house.daemon is not None and house.daemon.house is not None
        inside = house.daemon.house

        def minute() -> set[str]:
            """Let a minute pass, the least that lies between two looks; the troubles after it."""

            async def do() -> None:
                clock.move(60)

            house.do(do())
            house.until(lambda: inside.rounds.asleep)
            return {c.name for c in house.do(inside.db.read(conditions.listing)) if not c.ok}

        def told() -> list[str]:
            return [each.text.splitlines()[0] for each in house.inbox.received]

        assert [minute(), minute()] == [{"cellar.wet"}] * 2
        house.inbox.wait(1)
        assert told() == ["The wet cellar."]
        sensor.write_text("dark")
        assert minute() == set(), "a thing that is no more is no trouble"
        assert told() == ["The wet cellar."]
        sensor.unlink()
        assert minute() == set()
