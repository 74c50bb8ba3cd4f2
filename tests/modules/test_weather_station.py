"""Behaviour of the weather command for the owner of a station."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Commands, sms
from .sky_server import FORECAST, MET_NO, STATION, Sky
from .weather_house import age, configure, impatient, refusal, us, weekday

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def station(weather: Commands, sky: Sky, tmp_path: Path) -> Commands:
    secret = tmp_path / "wu.key"
    secret.write_text(f"{KEY}\n")
    secret.chmod(0o600)
    owned = {"id": "KCODENVE1", "key": {"file": str(secret)}}
    configure(weather, sky, station=owned, place="Denver")
    return weather


async def test_your_own_station_measures_and_the_days_are_added(
    station: Commands, sky: Sky
) -> None:
    reply = await station.run("weather")
    assert sms(reply) == (
        "Denver: 40 F, partly cloudy, feels 34, wind S 8 mph. Today 28-47, rain 20%. "
        f"{weekday(1)} 30-52 clear."
    )
    assert reply.rows[-1] == ("Source", "station KCODENVE1; Open-Meteo.com (CC BY 4.0)")
    assert sky.asked[0][1]["apiKey"] == KEY and sky.paths() == [STATION, FORECAST]
    await station.run("weather")
    assert sky.paths() == [], "5 min"
    assert await station.text("weather", "Denver") == us(), "a named place is not the station's"


async def test_a_station_alone_is_better_than_nothing(station: Commands, sky: Sky) -> None:
    sky.faults = {FORECAST: "500", MET_NO: "500"}
    assert await station.text("weather") == "Denver: 40 F, feels 34, wind S 8 mph."


@pytest.mark.parametrize(
    ("chill", "heat", "told"),
    [(None, 6.0, "40 F, feels 43"), (4.4, 4.4, "40 F"), (9.0, None, "40 F")],
)
async def test_it_feels_as_wind_or_damp_make_it(
    station: Commands, sky: Sky, chill: float | None, heat: float | None, told: str
) -> None:
    sky.faults = {FORECAST: "500", MET_NO: "500"}
    sky.station["observations"][0]["metric"] |= {"windChill": chill, "heatIndex": heat}
    assert await station.text("weather") == f"Denver: {told}, wind S 8 mph."


async def test_a_sky_of_an_hour_ago_is_not_told_as_that_of_now(station: Commands, sky: Sky) -> None:
    await station.run("weather")
    await age(station, 3600)
    sky.faults = {FORECAST: "500", MET_NO: "500"}
    assert (await station.text("weather")).startswith("Denver: 40 F, feels 34, wind S 8 mph. Today")


@pytest.mark.long(after=1)
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("204", "station has nothing new"),
        ("401", "station refuses our key"),
        ("nulls", "station sends no sense"),
        ("slow", "station gave no answer in 0.1 s"),
    ],
)
async def test_a_silent_station_is_said_so(
    station: Commands, sky: Sky, fault: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(station, fault, monkeypatch)
    sky.faults = {STATION: fault}
    assert (await station.text("weather")).startswith(f"Denver ({said}): 41 F, partly cloudy")
    station.settings = station.settings.model_copy(update={"place": ""})
    assert await refusal(station) == f"No weather: {said}. Try !weather Denver"


async def test_the_key_is_in_no_reply_and_read_from_its_file(
    station: Commands, sky: Sky, tmp_path: Path
) -> None:
    (tmp_path / "wu.key").chmod(0o644)
    assert (await station.text("weather")).startswith("Denver (station key cannot be read): 41 F")
    assert KEY not in repr(station.settings)
