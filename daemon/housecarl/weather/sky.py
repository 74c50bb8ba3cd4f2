"""What the weather is: values in metric units, and the words for sky and wind."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: words for WMO codes (table 4677), for all codes up to and including each
SKIES = {0: "clear", 1: "mostly clear", 2: "partly cloudy", 3: "cloudy", 48: "fog", 57: "drizzle"}
SKIES |= {67: "rain", 77: "snow", 82: "showers", 86: "snow showers", 99: "thunderstorm"}
#: words for what a symbol code of met.no contains; the first that fits
SYMBOLS = {"thunder": "thunderstorm", "sleet": "sleet", "snow": "snow", "rain": "rain"}
SYMBOLS |= {"fog": "fog", "partlycloudy": "partly cloudy", "cloudy": "cloudy"}
SYMBOLS |= {"fair": "mostly clear", "clearsky": "clear"}
POINTS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True, slots=True)
class Day:
    """One day: ISO date, lowest and highest Celsius, sky, chance of rain in % or rain in mm."""

    date: str
    low: float | None = None
    high: float | None = None
    sky: str = ""
    chance: float | None = None
    rain: float | None = None


@dataclass(frozen=True, slots=True)
class Weather:
    """Degrees Celsius, km/h, wind from degrees; what a source did not say is None or empty.

    `at` and `until` are seconds since 1970: when it was fetched, and how long it counts as new.
    `modified` is the source's Last-Modified; `offset` is seconds from UTC to the place's time.
    """

    source: str
    at: float
    until: float
    temperature: float | None = None
    feels: float | None = None
    sky: str = ""
    wind: float | None = None
    wind_from: float | None = None
    days: tuple[Day, ...] = ()
    modified: str = ""
    offset: int = 0

    def fresh(self, now: float) -> bool:
        """Whether it counts as new; not what was fetched by a clock that was ahead."""
        return self.at <= now < self.until

    def stored(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def restored(cls, value: dict[str, Any]) -> Weather:
        """From what `stored` made; TypeError when an older version wrote it."""
        return cls(**{**value, "days": tuple(Day(**day) for day in value["days"])})


def wmo(code: float | None) -> str:
    """The word for a WMO code; empty for one outside the table."""
    if code is None or code < 0:
        return ""
    return next((word for last, word in SKIES.items() if code <= last), "")


def symbol(code: str) -> str:
    """The word for a met.no symbol code; empty for an unknown one."""
    return next((word for part, word in SYMBOLS.items() if part in code), "")


def compass(degrees: float) -> str:
    """The nearest of eight points: 270 is W."""
    return POINTS[round(degrees / 45) % 8]
