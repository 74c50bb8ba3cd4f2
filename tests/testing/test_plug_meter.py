"""The meter of the simulated plug counts as a real one does, in either generation's units."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from housecarl.testing import plug_meter
from housecarl.testing.plug_faults import Faults
from housecarl.testing.plug_meter import Meter
from housecarl.testing.plug_nature import Nature

TODAY = date(2026, 2, 28)
LAST_YEAR = {date(2025, 2, 27): 0.25, date(2025, 2, 28): 0.5}
FEBRUARY = {"year": 2025, "month": 2}


@pytest.mark.parametrize(
    ("kind", "reading", "energy"),
    [
        (
            "v1",
            {"current": 5.099396, "voltage": 121.3, "power": 600.0, "total": 3.2},
            lambda kwh: {"energy": kwh},
        ),
        (
            "v2",
            {"current_ma": 5099, "voltage_mv": 121300, "power_mw": 600000, "total_wh": 3200},
            lambda kwh: {"energy_wh": int(kwh * 1000)},
        ),
    ],
)
def test_energy_is_counted_while_the_relay_is_on_by_days_and_by_months(
    kind: Literal["v1", "v2"], reading: dict[str, Any], energy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a real second is a simulated one: two hours in one."""
    clock, relay = SimpleNamespace(now=100.0), SimpleNamespace(on=True)
    monkeypatch.setattr(plug_meter, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(plug_meter, "date", SimpleNamespace(today=lambda: TODAY))
    nature = Nature(emeter=kind, scale=0.5, watts=600.0, today_kwh=1.0, total_kwh=2.0)
    meter = Meter(nature, lambda: relay.on)
    ask = meter.members(Faults())
    meter.days |= LAST_YEAR
    clock.now += 1800
    meter.settle()
    clock.now += 1800
    assert ask["get_realtime"]({}) == reading
    relay.on = False
    clock.now += 3600
    amperes, _, watts, _ = reading
    assert ask["get_realtime"]({}) == reading | {amperes: 0, watts: 0}
    today = {"year": 2026, "month": 2}
    assert ask["get_daystat"](today) == {"day_list": [today | {"day": 28} | energy(2.2)]}
    assert ask["get_daystat"](FEBRUARY)["day_list"] == [
        FEBRUARY | {"day": 27} | energy(0.25),
        FEBRUARY | {"day": 28} | energy(0.5),
    ]
    assert ask["get_monthstat"]({"year": 2026}) == {"month_list": [today | energy(2.2)]}
    february = [FEBRUARY | energy(0.75)]
    assert ask["get_monthstat"]({"year": 2025}) == {"month_list": february}
