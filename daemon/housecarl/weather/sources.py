"""The three sources: Open-Meteo, met.no, and a personal station at Weather Underground."""

from __future__ import annotations

import email.utils
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from housecarl.weather.places import Place
from housecarl.weather.sky import Day, Weather, symbol, wmo
from housecarl.weather.web import Fault, dig, get, number, text

if TYPE_CHECKING:
    import aiohttp

#: seconds: Open-Meteo counts in quarters of an hour; a station reports every few minutes
QUARTER, STATION = 900, 300
#: seconds: bounds of what met.no's Expires may say
SHORTEST, LONGEST = 600, 7200
#: days ahead; entries of a met.no answer that are looked at (it has about 90)
DAYS, ENTRIES = 5, 200
#: m/s in km/h
KMH = 3.6

OPEN_METEO, MET_NO = "Open-Meteo", "met.no"
CREDITS = {OPEN_METEO: "Open-Meteo.com (CC BY 4.0)", MET_NO: "MET Norway (CC BY 4.0)"}

#: what can be true on this earth, with room: degrees Celsius, km/h, degrees, percent, mm
_celsius = partial(number, low=-95.0, high=65.0)
_speed = partial(number, low=0.0, high=500.0)
_angle = partial(number, low=0.0, high=360.0)
_percent = partial(number, low=0.0, high=100.0)
_millimetres = partial(number, low=0.0, high=2000.0)
_code = partial(number, low=0.0, high=99.0)


async def open_meteo(session: aiohttp.ClientSession, base: str, place: Place) -> Weather:
    """Now and the next days; raises Fault."""
    params = {
        "latitude": f"{place.latitude:.2f}",
        "longitude": f"{place.longitude:.2f}",
        "current": "temperature_2m,apparent_temperature,weather_code,wind_speed_10m,"
        "wind_direction_10m",
        "daily": "weather_code,temperature_2m_max,temperature_2m_min,precipitation_probability_max",
        "timezone": "auto",
        "forecast_days": str(DAYS),
    }
    data = (await get(session, f"{base}/v1/forecast", params)).data
    now = dig(data, "current")
    started = time.time()
    weather = Weather(
        OPEN_METEO,
        started,
        started + QUARTER,
        _celsius(now, "temperature_2m"),
        _celsius(now, "apparent_temperature"),
        wmo(_code(now, "weather_code")),
        _speed(now, "wind_speed_10m"),
        _angle(now, "wind_direction_10m"),
        tuple(_open_meteo_days(dig(data, "daily"))),
        offset=int(number(data, "utc_offset_seconds", low=-50400, high=50400) or 0),
    )
    return _some(weather)


def _open_meteo_days(daily: Any) -> Iterator[Day]:
    """Parallel arrays; any of them may be short, hold null, or be missing."""
    for index in range(DAYS):
        if day := _date(text(daily, "time", index)):
            yield Day(
                day,
                _celsius(daily, "temperature_2m_min", index),
                _celsius(daily, "temperature_2m_max", index),
                wmo(_code(daily, "weather_code", index)),
                _percent(daily, "precipitation_probability_max", index),
            )


async def met_no(
    session: aiohttp.ClientSession, base: str, place: Place, kept: Weather | None, contact: str
) -> Weather:
    """Now and the next days; `kept` again when it is still the newest there is; raises Fault.

    Their terms: say who asks, at most four decimals, not again before Expires, then with
    If-Modified-Since.
    """
    params = {"lat": f"{place.latitude:.2f}", "lon": f"{place.longitude:.2f}"}
    since = kept.modified if kept and kept.source == MET_NO else ""
    url = f"{base}/weatherapi/locationforecast/2.0/compact"
    answer = await get(session, url, params, since=since, contact=contact)
    started = time.time()
    until = expires(answer.headers, started)
    if kept and answer.status == 304:
        return replace(kept, at=started, until=until)
    entries = dig(answer.data, "properties", "timeseries")
    entries = entries[:ENTRIES] if isinstance(entries, list) else []
    # it does not tell the place's clock; the sun's is near enough to cut days by
    offset = round(place.longitude / 15) * 3600
    now = dig(entries, 0, "data")
    speed = number(now, "instant", "details", "wind_speed", low=0, high=130)
    weather = Weather(
        MET_NO,
        started,
        until,
        _celsius(now, "instant", "details", "air_temperature"),
        None,
        symbol(_symbol_code(now)),
        None if speed is None else speed * KMH,
        _angle(now, "instant", "details", "wind_from_direction"),
        tuple(islice(_met_no_days(entries, offset), DAYS)),
        answer.headers.get("Last-Modified", "")[:80],
        offset,
    )
    return _some(weather)


def expires(headers: Mapping[str, str], now: float) -> float:
    """Until when an answer of met.no counts as new: its Expires, within reason."""
    try:
        told = email.utils.parsedate_to_datetime(headers.get("Expires", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        told = now
    return min(max(told, now + SHORTEST), now + LONGEST)


def _met_no_days(entries: list[Any], offset: int) -> Iterator[Day]:
    by_day: dict[str, list[Any]] = {}
    for entry in entries:
        try:
            at = datetime.fromisoformat(text(entry, "time"))
            day = (at + timedelta(seconds=offset)).date().isoformat()
        except (ValueError, OverflowError):
            continue
        by_day.setdefault(day, []).append(dig(entry, "data"))
    for day, data in by_day.items():
        path = ("instant", "details", "air_temperature")
        degrees = [value for one in data if (value := _celsius(one, *path)) is not None]
        if degrees:
            skies = Counter(sky for one in data if (sky := symbol(_symbol_code(one))))
            sky = skies.most_common(1)[0][0] if skies else ""
            rain = [amount for one in data if (amount := _rain(one)) is not None]
            total = sum(rain) if rain else None
            yield Day(day, min(degrees), max(degrees), sky, None, total)


def _symbol_code(data: Any) -> str:
    path = ("summary", "symbol_code")
    return text(data, "next_1_hours", *path) or text(data, "next_6_hours", *path)


def _rain(data: Any) -> float | None:
    path = ("details", "precipitation_amount")
    for hours in ("next_1_hours", "next_6_hours"):
        amount = _millimetres(data, hours, *path)
        if amount is not None:
            return amount
    return None


async def station(
    session: aiohttp.ClientSession, base: str, name: str, key: str
) -> tuple[Weather, Place]:
    """What a personal station measures now, and where it stands; raises Fault."""
    params = {"stationId": name, "format": "json", "units": "m", "apiKey": key}
    seen = dig((await get(session, f"{base}/v2/pws/observations/current", params)).data)
    seen = dig(seen, "observations", 0)
    latitude = number(seen, "lat", low=-90, high=90)
    longitude = number(seen, "lon", low=-180, high=180)
    temperature = _celsius(seen, "metric", "temp")
    if latitude is None or longitude is None or temperature is None:
        raise Fault("sends no sense")
    chill, heat = _celsius(seen, "metric", "windChill"), _celsius(seen, "metric", "heatIndex")
    started = time.time()
    weather = Weather(
        f"station {name}",
        started,
        started + STATION,
        temperature,
        chill if chill is not None and chill < temperature else heat,
        wind=_speed(seen, "metric", "windSpeed"),
        wind_from=_angle(seen, "winddir"),
    )
    return weather, Place(text(seen, "neighborhood") or name, latitude, longitude)


def _date(value: str) -> str:
    try:
        return datetime.fromisoformat(value).date().isoformat()
    except ValueError:
        return ""


def _some(weather: Weather) -> Weather:
    if weather.temperature is None and not any(day.high is not None for day in weather.days):
        raise Fault("sends no sense")
    return weather
