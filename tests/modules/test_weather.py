"""Behaviour of the weather command against real servers on loopback."""

from __future__ import annotations

import asyncio
import email.utils
import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from housecarl.module import House
from housecarl.weather.sky import Day, Weather, compass, symbol, wmo
from housecarl.weather.sources import expires
from housecarl.weather.web import number

from .conftest import Commands, sms
from .sky_server import FORECAST, GEOCODING, MET_NO, Sky, day, place
from .weather_house import age, configure, refusal, us, weekday


async def test_one_sms_and_the_days_ahead_by_mail(weather: Commands) -> None:
    reply = await weather.run("weather")
    assert sms(reply) == us()
    assert reply.rows[0] == ("Now", "41 F, partly cloudy, feels 36, wind W 9 mph")
    assert [value for _, value in reply.rows[1:6]] == [
        "28-47, cloudy, rain 20%",
        "30-52, clear, rain 0%",
        "34-48, rain, rain 80%",
        "18-30, snow, snow 70%",
        "27-36, thunderstorm",
    ]
    assert re.fullmatch(r"[A-Z][a-z]{2} \d{1,2} [A-Z][a-z]{2}", reply.rows[1][0])
    assert reply.rows[-1] == ("Source", "Open-Meteo.com (CC BY 4.0)")


async def test_a_metric_house_reads_celsius_and_kilometres(weather: Commands) -> None:
    """Below zero the two ends of a day are told apart by a word."""
    weather.house = House("Elm Street", "Europe/Vienna", "metric")
    assert await weather.text("weather") == (
        "Denver: 5 C, partly cloudy, feels 2, wind W 14 km/h. Today -2 to 8, rain 20%. "
        f"{weekday(1)} -1 to 11 clear."
    )


async def test_today_is_the_day_that_it_is_at_the_place(weather: Commands, sky: Sky) -> None:
    """Far east it is tomorrow already, far west still yesterday."""
    ahead = 1 if datetime.now(UTC).hour >= 12 else -1
    sky.forecast["utc_offset_seconds"] = ahead * 14 * 3600
    sky.forecast["daily"]["time"] = [day(ahead + n) for n in range(5)]
    assert await weather.text("weather") == us().replace(weekday(1), weekday(ahead + 1))


async def test_what_need_not_be_said_is_left_out(weather: Commands, sky: Sky) -> None:
    """What it feels like when that is what it is, and whence no wind comes."""
    sky.forecast["current"] |= {"apparent_temperature": 5.0, "wind_speed_10m": 0.0}
    assert (await weather.text("weather")).startswith("Denver: 41 F, partly cloudy, no wind. ")


async def test_what_is_asked_says_no_more_than_it_must(weather: Commands, sky: Sky) -> None:
    """Two decimals of where the house is, and nothing typed can become another parameter."""
    sky.places["x&latitude=1#%\n"] = []
    assert await weather.text("weather") == us()
    query = sky.asked[1][1]
    assert query["latitude"] == "39.70" and query["forecast_days"] == "5"
    await refusal(weather, "x&latitude=1#%")
    assert sky.asked[-1][1] == {
        "name": "x&latitude=1#%",
        "count": "10",
        "language": "en",
        "format": "json",
    }
    assert sky.asked[-1][2]["User-Agent"].startswith("housecarl/")


async def test_a_quarter_of_an_hour_is_served_from_what_is_kept(
    weather: Commands, sky: Sky
) -> None:
    assert await weather.text("weather") == us()
    assert sky.paths() == [GEOCODING, FORECAST]
    assert await weather.text("weather", "Denver") == us()
    assert sky.paths() == []
    await age(weather, 901)
    assert await weather.text("weather") == us()
    assert sky.paths() == [FORECAST]


async def test_what_was_kept_by_a_clock_that_was_ahead_is_not_told_as_new(
    weather: Commands, sky: Sky
) -> None:
    await weather.run("weather")
    await age(weather, -86400)
    sky.forecast["current"]["temperature_2m"] = 10.0
    assert (await weather.text("weather")).startswith("Denver: 50 F")
    await age(weather, -86400)
    sky.faults = {FORECAST: "500", MET_NO: "500"}
    assert (await refusal(weather)).startswith("No weather for Denver: Open-Meteo has trouble")


async def test_two_people_at_once_ask_once(weather: Commands, sky: Sky) -> None:
    texts = await asyncio.gather(*(weather.text("weather", "39.7,-104.98") for _ in range(5)))
    assert len(set(texts)) == 1 and sky.paths() == [FORECAST]


async def test_what_is_kept_stays_small(weather: Commands, sky: Sky) -> None:
    for each in range(20):
        sky.places[f"Town {each}x"] = [place(f"Town {each}x", "Ohio", 1, each)]
        await weather.run("weather", f"Town {each}x")
    assert len(await weather.hand.store.get("forecasts")) == 12


async def test_met_no_is_asked_by_its_rules(weather: Commands, sky: Sky) -> None:
    """Not before Expires, then with If-Modified-Since, and told whom to ask."""
    configure(weather, sky, place="Denver", contact="ann@example.org")
    sky.faults = {FORECAST: "500"}
    changed = "Wed, 25 Nov 2026 09:00:00 GMT"
    later = email.utils.format_datetime(datetime.now(UTC) + timedelta(minutes=40), usegmt=True)
    sky.headers = {"Expires": later, "Last-Modified": changed}
    first = await weather.text("weather")
    assert "(ann@example.org)" in sky.asked[-1][2]["User-Agent"]
    assert "ann@" not in sky.asked[0][2]["User-Agent"]
    await age(weather, 30 * 60)
    sky.paths()
    assert (await weather.text("weather")).startswith("Denver: 37 F")
    assert sky.paths() == []
    await age(weather, 11 * 60)
    assert await weather.text("weather") == first
    assert sky.asked[-1][2]["If-Modified-Since"] == changed
    sky.paths()
    await weather.run("weather")
    assert sky.paths() == []
    await age(weather, 41 * 60)
    sky.is_new = True
    sky.met_no["properties"]["timeseries"][0]["data"]["instant"]["details"]["air_temperature"] = 9
    assert (await weather.text("weather")).startswith("Denver: 48 F")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("", 600), ("soon", 600), ("Wed, 25 Nov 1998 09:00:00 GMT", 600), ("in 50 years", 7200)],
)
def test_expires_counts_within_reason(told: str, seconds: float) -> None:
    if told == "in 50 years":
        told = email.utils.format_datetime(datetime.now(UTC) + timedelta(days=18000), usegmt=True)
    assert expires({"Expires": told}, time.time()) == pytest.approx(time.time() + seconds, abs=2)


async def test_namesakes_get_numbers(weather: Commands, sky: Sky) -> None:
    text = "Which Springfield? 1 Missouri US, 2 Massachusetts US, 3 Illinois US."
    reply = await weather.run("weather", "springfield")
    assert sms(reply) == f"{text} Text !weather springfield 2"
    assert reply.rows[2] == ("3", "Springfield, Illinois US")
    assert (await weather.text("weather", "springfield", 2)).startswith("Springfield: 41 F")
    assert sky.asked[-1][1]["latitude"] == "42.10"
    assert await refusal(weather, "springfield", "4") == (
        "There are 3 places springfield, no number 4."
    )
    assert sky.paths().count(GEOCODING) == 1, "the numbers stay what they were"
    configure(weather, sky, place="springfield 3")
    await weather.run("weather")
    assert sky.asked[-1][1]["latitude"] == "39.80"


async def test_namesakes_of_which_none_is_by_far_the_largest_get_numbers_too(
    weather: Commands, sky: Sky
) -> None:
    sky.places["Troy"] = [place("Troy", "", None), place("Troy", "Texas", None)]
    assert await weather.text("weather", "Troy") == (
        "Which Troy? 1 US, 2 Texas US. Text !weather troy 2"
    )
    sizes = (("Ohio", 90_000), ("Texas", 80_000), ("Iowa", 5))
    sky.places["Lima"] = [place("Lima", region, people) for region, people in sizes]
    assert (await weather.text("weather", "Lima")).startswith("Which Lima? 1 Ohio US, 2 Texas US")


@pytest.mark.parametrize("lost", ["latitude", "longitude", "name"])
async def test_a_place_that_lacks_what_it_is_known_by_is_left_out(
    weather: Commands, sky: Sky, lost: str
) -> None:
    broken = place("Troy", "Ohio", 1_000_000) | {lost: None}
    sky.places["Troy"] = [broken, place("Troy", "Texas", 5, 42.7)]
    assert (await weather.text("weather", "Troy")).startswith("Troy: 41 F")
    assert sky.asked[-1][1]["latitude"] == "42.70"


async def test_a_region_tells_namesakes_apart(weather: Commands, sky: Sky) -> None:
    assert (await weather.text("weather", "springfield,", "ill")).startswith("Springfield: 41 F")
    assert sky.asked[-1][1]["latitude"] == "39.80"


async def test_a_misspelt_place_is_read_back_under_its_name(weather: Commands, sky: Sky) -> None:
    sky.places["Denvr"] = sky.places["Denver"]
    assert await weather.text("weather", "Denvr") == us()


async def test_coordinates_need_no_list_of_places(weather: Commands, sky: Sky) -> None:
    assert (await weather.text("weather", "-33.87, 151.2")).startswith("-33.87,151.2: 41 F")
    assert sky.paths() == [FORECAST]
    assert (await weather.text("weather", "-90,180")).startswith("-90,180: 41 F")
    assert "No place 91,0" in await refusal(weather, "91,0")
    assert "No place 0,181" in await refusal(weather, "0,181")


@pytest.mark.parametrize("asked", ["nowhere", "Łódź" * 30, "\u202eevil", "' OR 1=1 --" * 20])
async def test_an_unknown_place_is_said_so(weather: Commands, asked: str) -> None:
    assert re.match(r"No place .+\. Coordinates work too", await refusal(weather, asked))


async def test_without_a_place_it_says_how_to_name_one(weather: Commands, sky: Sky) -> None:
    configure(weather, sky)
    assert await refusal(weather) == "No weather: no place in the config. Try !weather Denver"


async def test_the_longest_answer_fits_one_sms(weather: Commands, sky: Sky) -> None:
    name = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"
    sky.places[name] = [place(name, "R" * 70, 5, n) for n in range(5)]
    assert "Which Llanfairpwllgwyngyllgo..? 1 RRR" in await weather.text("weather", name)
    sky.forecast["current"] |= {"temperature_2m": -73.4, "apparent_temperature": -94.0}
    sky.forecast["current"] |= {"weather_code": 95, "wind_speed_10m": 480.0}
    sky.forecast["daily"]["temperature_2m_min"] = [-94.0] * 5
    sky.forecast["daily"]["temperature_2m_max"] = [-73.0] * 5
    sky.forecast["daily"]["weather_code"] = [86] * 5
    text = await weather.text("weather", name, 1)
    assert "Today -137 to -99, snow 20%" in text and "snow showers" in text


@pytest.mark.parametrize(
    "base", ["http://api.open-meteo.com", "https://user@host", "file:///x", "https://h/path?"]
)
def test_only_https_or_loopback_is_asked(weather: Commands, base: str) -> None:
    with pytest.raises(ValidationError):
        weather.set(forecast=base)


def test_words_for_sky_and_wind() -> None:
    assert [wmo(code) for code in (0, 1, 2, 3, 45, 55, 65, 75, 81, 86, 95)] == [
        *("clear", "mostly clear", "partly cloudy", "cloudy", "fog", "drizzle", "rain", "snow"),
        *("showers", "snow showers", "thunderstorm"),
    ]
    assert wmo(None) == wmo(100) == wmo(-1) == symbol("frogs") == ""
    assert symbol("partlycloudy_night") == "partly cloudy"
    assert symbol("heavysleetshowersandthunder_day") == "thunderstorm"
    assert [compass(degrees) for degrees in (0, 22, 23, 180, 337, 359)] == "N N NE S NW N".split()


def test_a_kept_value_comes_back_whole() -> None:
    weather = Weather("met.no", 1.0, 2.0, 3.0, days=(Day("2026-11-25", 1.0, 2.0, "fog"),))
    assert Weather.restored(weather.stored()) == weather


@pytest.mark.parametrize(
    "value", [True, "5", None, [5], float("nan"), float("inf"), 10**400, 66, -1]
)
def test_only_a_number_that_can_be_true_is_one(value: object) -> None:
    assert number({"t": [value]}, "t", 0, low=0, high=65) is None
    assert number({"t": [5]}, "t", 0, low=0, high=65) == 5.0
