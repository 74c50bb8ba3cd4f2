"""Tell the weather here or anywhere."""

import asyncio
import importlib
import time
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from housecarl import Call, CommandError, Reply, Rest, command
from housecarl.config_section import like
from housecarl.errors import SecretError
from housecarl.secret import Secret
from housecarl.weather.places import OFFERED, Place, coordinates, meant, numbered, search
from housecarl.weather.sky import Day, Weather, compass
from housecarl.weather.sources import CREDITS, MET_NO, OPEN_METEO, met_no, open_meteo, station
from housecarl.weather.web import Fault, Server, connector

if TYPE_CHECKING:
    import aiohttp

#: seconds: for one source, for the whole answer; until when an old answer beats none
EACH, WHOLE, OLD = 6.0, 14.0, 3 * 3600
#: forecasts and looked-up names that are kept: both far below the 64 KiB of a stored value
FORECASTS, LOOKED_UP = 12, 50
#: septets of one SMS, and of a place name within it
ROOM, NAME = 160, 24
#: km in a mile, mm in an inch
MILE, INCH = 1.609344, 25.4

Found = TypeVar("Found")


class Station(BaseModel):
    """Your own station at Weather Underground and its key (free for who uploads)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, like("[A-Z0-9]{4,16}", "should be a station such as KCODENVE1")]
    key: Secret


class Settings(BaseModel):
    """`place` is where `weather` alone looks: a name, "name, region", or "latitude,longitude"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: Annotated[str, StringConstraints(max_length=80)] = ""
    station: Station | None = None
    #: met.no wants to know whom to ask: an address or a web page, sent to them only
    contact: Annotated[
        str, like("[!-~]{0,100}", "should be one address or page, plain and without blanks")
    ] = ""
    forecast: Server = Field("https://api.open-meteo.com", description="Open-Meteo's forecast")
    geocoding: Server = Field(
        "https://geocoding-api.open-meteo.com", description="Open-Meteo's names"
    )
    second: Server = Field("https://api.met.no", description="met.no, asked when the first is down")
    stations: Server = Field(
        "https://api.weather.com", description="Weather Underground's stations"
    )


@command()
async def weather(call: Call, place: Rest = "") -> Reply:
    """Tell the weather: weather Denver

    Without a place, that of the config. Several places of one name get numbers:
    weather springfield 2. An e-mail shows the next days as well.
    """
    # 200 ms on a small machine, in a thread so that the loop goes on
    aiohttp = await asyncio.to_thread(importlib.import_module, "aiohttp")
    unlimited = aiohttp.ClientTimeout(total=None)  # the limits below hold, also for its DNS
    try:
        async with (
            asyncio.timeout(WHOLE),
            aiohttp.ClientSession(timeout=unlimited, connector=connector()) as session,
        ):
            return await _answer(call, session, " ".join(place.split()))
    except TimeoutError:
        raise CommandError(f"No weather: no answer in {WHOLE:.0f} s. Try again later.") from None


async def _answer(call: Call, session: "aiohttp.ClientSession", asked: str) -> Reply:
    settings: Settings = call.settings
    own = await _own_station(call, session) if settings.station and not asked else ""
    if isinstance(own, tuple):
        return await _at_station(call, session, *own)
    wanted = asked or settings.place
    if not wanted:
        why = own or "no place in the config"
        raise CommandError(f"No weather: {why}. Try {_typed(call, 'Denver')}")
    found = coordinates(wanted) or await _find(call, session, wanted)
    if isinstance(found, Reply):
        return found
    try:
        forecast = await _forecast(call, session, found)
    except Fault as fault:
        name = _plain(found.name)
        raise CommandError(f"No weather for {name}: {fault}. Try again in 15 min.") from fault
    return _said(f"{_plain(found.name)}{f' ({own})' if own else ''}", forecast, call)


async def _at_station(
    call: Call, session: "aiohttp.ClientSession", now: Weather, place: Place
) -> Reply:
    """What the station measures, with the days ahead where a forecast is to be had."""
    try:
        ahead = await _forecast(call, session, place)
    except Fault:
        return _said(place.name, now, call)
    source = f"{now.source}; {CREDITS.get(ahead.source, ahead.source)}"
    sky = ahead.sky if ahead.fresh(time.time()) else ""
    both = replace(now, source=source, sky=sky, days=ahead.days, offset=ahead.offset)
    return _said(place.name, both, call)


async def _own_station(call: Call, session: "aiohttp.ClientSession") -> tuple[Weather, Place] | str:
    """What it measures and where it stands; or in words why it does not say."""
    settings: Settings = call.settings
    assert settings.station is not None
    name = settings.station.id
    kept = await call.store.get("station", {})
    if kept.get("name") == name and Weather.restored(kept["now"]).fresh(time.time()):
        return Weather.restored(kept["now"]), Place(**kept["place"])
    try:
        key = await asyncio.to_thread(settings.station.key.read)
        now, place = await _in_time(station(session, settings.stations, name, key))
    except SecretError:
        return "station key cannot be read"
    except Fault as fault:
        return f"station {fault}"
    place = place._replace(name=_plain(settings.place or place.name))
    stored = {"name": name, "now": now.stored(), "place": place.stored()}
    await call.store.set("station", stored)
    return now, place


async def _find(call: Call, session: "aiohttp.ClientSession", wanted: str) -> Place | Reply:
    """The place that is meant; a numbered choice where that is not clear."""
    name, number = numbered(wanted[:80])
    known = await call.store.get("places", {})
    if name.casefold() in known:
        found = [Place(**place) for place in known.pop(name.casefold())]
    else:
        found = await _look_up(call, session, name)
    if not found:
        raise CommandError(f"No place {_plain(name)}. Coordinates work too: {_typed(call)}")
    known[name.casefold()] = [place.stored() for place in found]
    await call.store.set("places", dict(list(known.items())[-LOOKED_UP:]))
    if number is None:
        return meant(found) or _choice(call, name, found)
    if number > len(found):
        raise CommandError(f"There are {len(found)} places {_plain(name)}, no number {number}.")
    return found[number - 1]


async def _look_up(call: Call, session: "aiohttp.ClientSession", name: str) -> list[Place]:
    try:
        found = await _in_time(search(session, call.settings.geocoding, name))
    except Fault as fault:
        text = f"{_plain(name)} could not be looked up: the list of places {fault}"
        raise CommandError(f"{text}. Try later, or {_typed(call)}") from fault
    return found[:OFFERED]


def _typed(call: Call, words: str = "39.74,-104.98") -> str:
    return call.house.typed("weather", *words.split())


def _choice(call: Call, name: str, found: list[Place]) -> Reply:
    typed = _plain(name).lower()
    words = "NAME" if typed.endswith("..") else typed
    tail = f". Text {_typed(call, f'{words} 2')}"
    text = f"Which {_plain(found[0].name)}?"
    for number, place in enumerate(found, 1):
        option = f"{' ' if number == 1 else ', '}{number} {_plain(place.label)}"
        if len(text) + len(option) + len(tail) > ROOM:
            break
        text += option
    rows = [(str(number), f"{place.name}, {place.label}") for number, place in enumerate(found, 1)]
    return Reply(text + tail, rows=rows)


async def _forecast(call: Call, session: "aiohttp.ClientSession", place: Place) -> Weather:
    """What is kept while it counts as new, else from the first source that answers.

    Raises Fault with a word on each source when none does and nothing recent is kept.
    """
    async with call.lock(f"weather {place.key}"):
        kept = await _kept(call, place)
        if kept and kept.fresh(time.time()):
            return kept
        settings: Settings = call.settings
        first = open_meteo(session, settings.forecast, place)
        try:
            return await _keep(call, place, await _in_time(first))
        except Fault as fault:
            why = f"{OPEN_METEO} {fault}"
        second = met_no(session, settings.second, place, kept, settings.contact)
        try:
            return await _keep(call, place, await _in_time(second))
        except Fault as fault:
            if kept and 0 <= time.time() - kept.at < OLD:
                return kept
            raise Fault(f"{why}; {MET_NO} {fault}") from fault


async def _in_time(work: Awaitable[Found]) -> Found:
    try:
        async with asyncio.timeout(EACH):
            return await work
    except TimeoutError:
        raise Fault(f"gave no answer in {EACH:g} s") from None


async def _kept(call: Call, place: Place) -> Weather | None:
    try:
        return Weather.restored((await call.store.get("forecasts", {}))[place.key])
    except (KeyError, TypeError):
        return None  # none yet, or kept by an older version


async def _keep(call: Call, place: Place, weather: Weather) -> Weather:
    kept = await call.store.get("forecasts", {})
    kept.pop(place.key, None)
    kept[place.key] = weather.stored()
    await call.store.set("forecasts", dict(list(kept.items())[-FORECASTS:]))
    return weather


def _said(name: str, weather: Weather, call: Call) -> Reply:
    us = call.house.units == "us"
    age = time.time() - weather.at
    old = f", {age / 60:.0f} min ago" if not weather.fresh(time.time()) and age > 60 else ""
    now = ", ".join(_now(weather, us)) or "no reading now"
    text = f"{name}{old}: {now}."
    today = (datetime.now(UTC) + timedelta(seconds=weather.offset)).date()
    rows = [("Now", now)]
    for day in weather.days:
        when, parts = date.fromisoformat(day.date), _day(day, us)
        if when < today or not parts:
            continue
        rows.append((f"{when:%a} {when.day} {when:%b}", ", ".join(parts.values())))
        if len(rows) <= 3 and len(text) + len(more := _spoken(when, today, parts)) <= ROOM:
            text += more
    return Reply(text, rows=[*rows, ("Source", CREDITS.get(weather.source, weather.source))])


def _spoken(when: date, today: date, parts: dict[str, str]) -> str:
    """Of today the rain, of the next day the sky: " Today 28-47, rain 20%." " Tue 30-52 clear."."""
    if when == today:
        return f" Today {', '.join(parts[part] for part in ('degrees', 'rain') if part in parts)}."
    return f" {when:%a} {' '.join(parts[part] for part in ('degrees', 'sky') if part in parts)}."


def _now(weather: Weather, us: bool) -> Iterator[str]:
    unit = "F" if us else "C"
    degrees, feels = _degrees(weather.temperature, us), _degrees(weather.feels, us)
    if degrees:
        yield f"{degrees} {unit}"
    if weather.sky:
        yield weather.sky
    if feels and feels != degrees:
        yield f"feels {feels}"
    if weather.wind is not None:
        speed = round(weather.wind / MILE if us else weather.wind)
        point = compass(weather.wind_from) + " " if weather.wind_from is not None else ""
        yield f"wind {point}{speed} {'mph' if us else 'km/h'}" if speed else "no wind"


def _day(day: Day, us: bool) -> dict[str, str]:
    """The parts of a day that are known: degrees, sky, rain."""
    low, high = _degrees(day.low, us), _degrees(day.high, us)
    span = f"{low} to {high}" if "-" in low + high else f"{low}-{high}"
    wet = "snow" if "snow" in day.sky else "rain"
    parts = {"degrees": span if low and high else high or low, "sky": day.sky}
    if day.chance is not None:
        parts["rain"] = f"{wet} {day.chance:.0f}%"
    elif day.rain is not None:
        amount = f"{day.rain / INCH:.1f} in" if us else f"{day.rain:.0f} mm"
        parts["rain"] = f"{wet} {amount}" if not amount.startswith(("0.0", "0 ")) else f"no {wet}"
    return {name: part for name, part in parts.items() if part}


def _degrees(celsius: float | None, us: bool) -> str:
    return "" if celsius is None else f"{round(celsius * 9 / 5 + 32 if us else celsius)}"


def _plain(name: str) -> str:
    """A name as an SMS can show it: ASCII, short."""
    from anyascii import anyascii

    plain = " ".join("".join(c if c.isprintable() else " " for c in anyascii(name)).split())
    return plain if len(plain) <= NAME else f"{plain[: NAME - 2]}.."
