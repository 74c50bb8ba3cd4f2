"""The weather: whether the place is known and the sources answer."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from housecarl.doctor.finding import Finding, Trouble, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.errors import SecretError
from housecarl.weather import places, sources
from housecarl.weather.places import Place
from housecarl.weather.web import Fault

if TYPE_CHECKING:
    from aiohttp import ClientSession

#: Seconds for one source.
EACH = 6.0

PART = "weather"


async def examine(patient: Patient) -> list[Finding]:
    """Ask every source once; what is kept of older answers is neither used nor changed."""
    settings = patient.settings("weather")
    if settings is None or not (settings.place or settings.station):
        return [skipped(PART, "no place in the configuration")]
    aiohttp = await asyncio.to_thread(importlib.import_module, "aiohttp")
    unlimited = aiohttp.ClientTimeout(total=None)  # our own limits hold
    async with aiohttp.ClientSession(timeout=unlimited) as session:
        works = [_station(session, settings)] if settings.station else []
        works += [_forecasts(session, settings)] if settings.place else []
        return [finding for found in await asyncio.gather(*works) for finding in found]


async def _forecasts(session: ClientSession, settings: Any) -> list[Finding]:
    """The place, then both sources at once; one that answers is enough."""
    try:
        place = await _place(session, settings)
    except Trouble as error:
        return [trouble(PART, error.text, error.mend)]
    works: list[tuple[str, Awaitable[Any]]] = [
        (sources.OPEN_METEO, sources.open_meteo(session, settings.forecast, place)),
        (sources.MET_NO, sources.met_no(session, settings.second, place, None, settings.contact)),
    ]
    faults = await asyncio.gather(*(_fault(work) for _, work in works))
    told = [f"{name} {fault or 'answers'}" for (name, _), fault in zip(works, faults, strict=True)]
    text = f"{settings.place}: {', '.join(told)}"
    if all(faults):
        mend = "Is this machine on the internet? See the line of dns; else try again in 15 min."
        return [trouble(PART, text, mend)]
    return [well(PART, text)]


async def _place(session: ClientSession, settings: Any) -> Place:
    """Where the configuration means. Raises Trouble."""
    name = settings.place
    if (spot := places.coordinates(name)) is not None:
        return spot
    try:
        async with asyncio.timeout(EACH / 2):
            found = await places.search(session, settings.geocoding, places.numbered(name)[0])
    except (Fault, TimeoutError) as error:
        why = str(error) or "gave no answer"
        mend = "Is this machine on the internet? Coordinates need no list: place: 39.74,-104.98"
        raise Trouble(f"the list of places {why}", mend) from None
    if not found:
        mend = "Correct modules.weather.place; coordinates work too: place: 39.74,-104.98"
        raise Trouble(f"there is no place {name}", mend)
    return found[0]


async def _station(session: ClientSession, settings: Any) -> list[Finding]:
    """What the house's own station says."""
    name = settings.station.id
    try:
        secret = await asyncio.to_thread(settings.station.key.read)
    except SecretError as error:
        return [trouble(PART, f"station {name}: {error}", "See the line of secrets.")]
    fault = await _fault(sources.station(session, settings.stations, name, secret))
    if fault:
        mend = "Check modules.weather.station: its id, its key, and that it uploads."
        return [trouble(PART, f"station {name} {fault}", mend)]
    return [well(PART, f"station {name} answers")]


async def _fault(work: Awaitable[Any]) -> str:
    """What went wrong with one source; "" when it answered."""
    try:
        async with asyncio.timeout(EACH):
            await work
    except TimeoutError:
        return f"gave no answer in {EACH:g} s"
    except Fault as fault:
        return str(fault)
    return ""
