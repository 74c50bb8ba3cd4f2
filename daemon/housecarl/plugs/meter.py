"""What a plug's meter says, in SI units, and whether that can be true."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: watts when neither the configuration nor the model says less: 16 A at 253 V
DEFAULT_MAX_WATTS = 4048.0
#: watts by the region in the model's name: what its socket carries where the mains are highest,
#: 15 A at 125 V, 16, 13 and 10 A at 253 V (230 and a tenth, by EN 50160), 15 A at 107 V
MAX_WATTS = {"US": 1875.0, "EU": 4048.0, "UK": 3289.0, "AU": 2530.0, "JP": 1605.0}
#: amperes; the largest socket plus one
MAX_AMPERES = 17.0
#: volts; mains anywhere, with a tenth to spare
VOLTS = (85.0, 265.0)
#: watts with the relay off that are still the meter's own noise
OFF_WATTS = 5.0
#: watts may exceed volts times amperes by a rounding, not by more
PHYSICS_SLACK = 1.05
#: hours of a day, and one for the day in autumn that has 25
DAY_HOURS = 25
#: more than any meter counts, in watts or their thousandths; beyond it a number means nothing
MOST = 1e9
#: readings: one bad one is read again this often before anything is said
RECHECKS = 2


class Reading(NamedTuple):
    """One reading; None is what the plug does not tell, NaN what it tells that is no number."""

    watts: float | None
    amperes: float | None = None
    volts: float | None = None
    total_kwh: float | None = None

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Reading:
        """From `get_realtime`, by the names of its keys: A V W kWh, or mA mV mW Wh."""
        if "power" in answer and "power_mw" in answer:
            return cls(math.nan)
        return cls(
            si(answer, "power", "power_mw"),
            si(answer, "current", "current_ma"),
            si(answer, "voltage", "voltage_mv"),
            si(answer, "total", "total_wh"),
        )


def si(answer: Mapping[str, Any], unit: str, thousandth: str) -> float | None:
    """A value by the name of its unit or of the thousandth of it; NaN for what is no number."""
    if unit in answer:
        return number(answer[unit])
    return number(answer[thousandth]) / 1000 if thousandth in answer else None


def number(value: Any) -> float:
    """What a plug gives as a number; NaN for what is none, or none that a meter can mean."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value) if abs(value) <= MOST else math.nan  # JSON has integers of any length


def max_watts(model: str, configured: float | None = None) -> float:
    """The most this plug can carry: as configured, else by its model's region."""
    if configured is not None:
        return configured
    region = model.rpartition("(")[2].rstrip(")")
    return MAX_WATTS.get(region, DEFAULT_MAX_WATTS)


def implausible(reading: Reading, on: bool, limit: float) -> str | None:
    """Why this reading cannot be true, as the end of a sentence on the plug; None when it can."""
    watts, amperes, volts = reading.watts, reading.amperes, reading.volts
    if watts is None:
        return None
    for value, what in ((watts, "power"), (amperes, "current"), (volts, "voltage")):
        if value is not None and not math.isfinite(value):
            return f"reports a {what} that is no number"
    if watts > limit:
        return f"reports {watts:.0f} W, over its {limit:.0f} W limit"
    if watts < 0:
        told = f"{watts:.0f}" if watts <= -1 else f"{watts:.2g}"
        return f"reports {told} W, less than nothing"
    if not on and watts > OFF_WATTS:
        return f"reports {watts:.0f} W while it is off"
    if amperes is not None and not 0 <= amperes <= MAX_AMPERES:
        return f"reports {amperes:.0f} A"
    if volts and not VOLTS[0] <= volts <= VOLTS[1]:
        return f"reports {volts:.0f} V"
    if volts and amperes and watts > PHYSICS_SLACK * volts * amperes + 1:
        return f"reports {watts:.0f} W, more than {volts:.0f} V and {amperes:.2f} A can be"
    return None


def most_a_day(limit: float) -> float:
    """kWh that a plug of at most so many watts can count on one day."""
    return DAY_HOURS * limit / 1000


def impossible_day(kwh: float | None, limit: float) -> str | None:
    """Why a plug cannot have counted this for one day, as the end of a sentence; None if it can."""
    if kwh is None or kwh <= most_a_day(limit):
        return None
    return f"counts {kwh:.0f} kWh today, more than a day can hold"


class Judgement(NamedTuple):
    """What several readings say together.

    `reading` is the one to tell; `fault` why the meter is wrong (all readings are bad); `glitches`
    how many bad readings were left out.
    """

    reading: Reading
    fault: str | None = None
    glitches: int = 0

    @property
    def watts(self) -> float | None:
        """What can be believed of its power; None when it is not told, or the meter is wrong."""
        return None if self.fault is not None else self.reading.watts


def shown(watts: float) -> str:
    """A power as replies tell it: tenths only where they matter."""
    return f"{watts:.0f} W" if watts >= 10 or watts == 0 else f"{watts:.1f} W"


def judge(readings: Sequence[Reading], on: bool, limit: float) -> Judgement:
    """All bad: a fault. Some bad: glitches, and the middle of the good ones counts.

    A reading without watts is no bad one, and counts only when there is no other.
    """
    reasons = [implausible(reading, on, limit) for reading in readings]
    good = [reading for reading, reason in zip(readings, reasons, strict=True) if reason is None]
    if not good:
        return Judgement(readings[-1], reasons[-1])
    told = [reading for reading in good if reading.watts is not None] or good
    told.sort(key=lambda reading: reading.watts or 0.0)
    return Judgement(told[len(told) // 2], None, len(readings) - len(good))
