"""Places by name: Open-Meteo's geocoding, and which of several namesakes is meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from housecarl.weather.web import Fault, dig, get, number, text

if TYPE_CHECKING:
    import aiohttp

#: asked of the geocoder, and offered in a choice
ASKED, OFFERED = 10, 5
#: a namesake this many times larger than every other is the one that is meant
LARGER = 5

_COORDINATES = re.compile(r"(-?\d{1,2}(?:\.\d{1,6})?)\s*[, ]\s*(-?\d{1,3}(?:\.\d{1,6})?)")
_NUMBERED = re.compile(r"(.*\D)\s+([1-9])")


class Place(NamedTuple):
    """A spot on the map, in degrees; `region` and `country` tell namesakes apart."""

    name: str
    latitude: float
    longitude: float
    region: str = ""
    country: str = ""
    people: float = 0

    @property
    def label(self) -> str:
        """Region and country: "Missouri US"."""
        return " ".join(part for part in (self.region, self.country) if part)

    @property
    def key(self) -> str:
        """Two decimals are 1 km: one answer serves the neighbourhood, and tells no address."""
        return f"{self.latitude:.2f},{self.longitude:.2f}"

    def stored(self) -> dict[str, Any]:
        """As JSON holds it."""
        return self._asdict()


def coordinates(asked: str) -> Place | None:
    """The place of "39.74,-104.98"; None when it is not written so, or not on this earth."""
    if found := _COORDINATES.fullmatch(asked):
        latitude, longitude = float(found[1]), float(found[2])
        if abs(latitude) <= 90 and abs(longitude) <= 180:
            return Place(f"{latitude:g},{longitude:g}", latitude, longitude)
    return None


def numbered(asked: str) -> tuple[str, int | None]:
    """ "denver 2" -> ("denver", 2); without a number the second is None."""
    found = _NUMBERED.fullmatch(asked)
    return (found[1], int(found[2])) if found else (asked, None)


async def search(session: aiohttp.ClientSession, base: str, name: str) -> list[Place]:
    """The places of that name, best first, none when there is none; raises Fault.

    "Springfield, Illinois" narrows by region or country.
    """
    town, _, region = (part.strip() for part in name.partition(","))
    found = await _search(session, base, name)
    if not found and region:
        found = await _search(session, base, town)
    wanted = region.casefold()
    narrowed = [
        place
        for place in found
        if place.region.casefold().startswith(wanted) or place.country.casefold() == wanted
    ]
    found = narrowed or found
    return [place for place in found if place.name.casefold() == town.casefold()] or found[:1]


async def _search(session: aiohttp.ClientSession, base: str, name: str) -> list[Place]:
    params = {"name": name, "count": str(ASKED), "language": "en", "format": "json"}
    answer = await get(session, f"{base}/v1/search", params)
    if not isinstance(answer.data, dict):
        raise Fault("sends no sense")
    results = dig(answer.data, "results")
    return [
        place for result in (results if isinstance(results, list) else []) if (place := _of(result))
    ]


def _of(result: Any) -> Place | None:
    latitude = number(result, "latitude", low=-90, high=90)
    longitude = number(result, "longitude", low=-180, high=180)
    name = text(result, "name")
    if latitude is None or longitude is None or not name:
        return None
    return Place(
        name,
        latitude,
        longitude,
        text(result, "admin1"),
        text(result, "country_code"),
        number(result, "population", low=0, high=1e9) or 0,
    )


def meant(found: list[Place]) -> Place | None:
    """The one that is meant without asking back: the only one, or by far the largest."""
    first, *others = found
    largest_other = max((place.people for place in others), default=0)
    return first if not others or first.people > LARGER * largest_other else None
