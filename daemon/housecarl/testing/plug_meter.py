"""The meter of a simulated plug: a load that draws what it is told, and how it goes wrong."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import date
from typing import Any

from housecarl.testing.plug_faults import Faults
from housecarl.testing.plug_nature import Nature

Args = dict[str, Any]


class Meter:
    """Counts energy in simulated time; `on` tells whether the relay is closed."""

    def __init__(self, nature: Nature, on: Callable[[], bool]) -> None:
        self._nature = nature
        self._on = on
        self._today = nature.today_kwh
        self._total = nature.total_kwh
        self._counted_at = time.monotonic()
        self._faults = Faults()
        #: readings given so far
        self.readings = 0
        #: what the broken meter reports; 0 when it is well
        self.glitch_watts = nature.glitch_watts
        #: what the thing in the socket draws
        self.watts = nature.watts
        #: kWh that it counted on days before
        self.days: dict[date, float] = {}

    def members(self, faults: Faults) -> dict[str, Callable[[Args], Args]]:
        """What the plug's `emeter` module understands."""
        self._faults = faults
        return {
            "get_realtime": lambda _: self._told(),
            "get_daystat": self._daystat,
            "get_monthstat": self._monthstat,
            "erase_emeter_stat": lambda _: self._erase(),
            "get_vgain_igain": lambda _: {"vgain": 13462, "igain": 16835},
        }

    def settle(self) -> None:
        """Count what was drawn until now."""
        now = time.monotonic()
        hours = (now - self._counted_at) / self._nature.scale / 3600
        self._counted_at = now
        if self._on():
            self._today += self.watts / 1000 * hours
            self._total += self.watts / 1000 * hours

    def _reported(self) -> float:
        """Watts of the next reading."""
        number = self.readings
        self.readings += 1
        if "nan_reply" in self._faults:
            return math.nan
        glitch = dict(self._nature.glitches).get(number, self.glitch_watts)
        return glitch or (self.watts if self._on() else 0.0)

    def _told(self) -> Args:
        """The next reading, as far as this meter gives one."""
        if "no_meter" in self._faults:
            return {"err_code": -7, "err_msg": "unknown error"}
        reading = self._realtime()
        hidden = ("power", "power_mw") if "no_watts" in self._faults else ()
        return {key: value for key, value in reading.items() if key not in hidden}

    def _realtime(self) -> Args:
        self.settle()
        nature = self._nature
        watts = self._reported()
        true_watts = self.watts if self._on() else 0.0
        amperes = true_watts / (nature.volts * nature.power_factor)
        if nature.emeter == "v1":
            return {
                "current": round(amperes, 6),
                "voltage": round(nature.volts, 6),
                "power": round(watts, 6),
                "total": round(self._total, 3),
            }
        return {
            "current_ma": int(amperes * 1000),
            "voltage_mv": int(nature.volts * 1000),
            "power_mw": watts if math.isnan(watts) else int(watts * 1000),
            "total_wh": int(self._total * 1000),
        }

    def _energy(self, kwh: float) -> Args:
        if self._nature.emeter == "v1":
            return {"energy": round(kwh, 3)}
        return {"energy_wh": int(kwh * 1000)}

    def _counted(self) -> list[tuple[date, float]]:
        """The days that it tells, in order, and the kWh of each."""
        self.settle()
        today = {} if "no_today" in self._faults else {date.today(): self._today}
        return sorted((self.days | today).items())

    def _daystat(self, args: Args) -> Args:
        if "no_days" in self._faults:
            return {"err_code": -7, "err_msg": "unknown error"}
        asked = args.get("year"), args.get("month")
        return {
            "day_list": [
                {"year": day.year, "month": day.month, "day": day.day} | self._energy(kwh)
                for day, kwh in self._counted()
                if (day.year, day.month) == asked
            ]
        }

    def _monthstat(self, args: Args) -> Args:
        if "no_days" in self._faults:
            return {"err_code": -7, "err_msg": "unknown error"}
        year, months = args.get("year"), dict[int, float]()
        for day, kwh in self._counted():
            if day.year == year:
                months[day.month] = months.get(day.month, 0.0) + kwh
        return {
            "month_list": [
                {"year": year, "month": month} | self._energy(kwh) for month, kwh in months.items()
            ]
        }

    def _erase(self) -> Args:
        self._today = self._total = 0.0
        return {}
