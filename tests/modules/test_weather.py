"""Behaviour of the weather command against real servers on loopback."""

from __future__ import annotations

import asyncio
import email.utils
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from housecarl import CommandError
from housecarl.module import House
from housecarl.weather.sky import Day, Weather, compass, symbol, wmo
from housecarl.weather.sources import expires

from .conftest import Commands, sms
from .sky_server import FAULTS, FORECAST, GEOCODING, MET_NO, STATION, Sky, day, place, running

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def sky() -> AsyncIterator[Sky]:
    server = Sky()
    server.places = {
        "Denver": [
            place("Denver", "Colorado", 715_522),
            place("Denver", "Pennsylvania", 3_861, 40.2),
        ],
        "springfield": [
            place("Springfield", "Missouri", 166_810, 37.2),
            place("Springfield", "Massachusetts", 155_929, 42.1),
            place("Springfield", "Illinois", 114_394, 39.8),
            place("Springfield Park", "Ohio", None, 39.9),
        ],
    }
    async with running(server):
        yield server


@pytest.fixture
def weather(load: Callable[[str], Commands], sky: Sky) -> Commands:
    commands = load("weather")
    configure(commands, sky, place="Denver")
    return commands


def configure(weather: Commands, sky: Sky, **values: Any) -> None:
    bases = dict.fromkeys(("forecast", "geocoding", "second", "stations"), sky.base)
    weather.set(**{**bases, **values})


def weekday(ahead: int) -> str:
    return f"{date.fromisoformat(day(ahead)):%a}"


def us() -> str:
    return (
        "Denver: 41 F, partly cloudy, feels 36, wind W 9 mph. Today 28-47, rain 20%. "
        f"{weekday(1)} 30-52 clear."
    )


async def refusal(weather: Commands, *words: str) -> str:
    with pytest.raises(CommandError) as caught:
        await weather.run("weather", *words)
    text = str(caught.value)
    assert len(text) <= 160 and text.isascii() and text.isprintable(), text
    return text


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


async def test_metric_units(weather: Commands) -> None:
    """Below zero the two ends of a day are told apart by a word."""
    weather.house = House("Elm Street", "Europe/Vienna", "metric")
    assert await weather.text("weather") == (
        "Denver: 5 C, partly cloudy, feels 2, wind W 14 km/h. Today -2 to 8, rain 20%. "
        f"{weekday(1)} -1 to 11 clear."
    )


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


async def age(weather: Commands, seconds: float) -> None:
    """Let the kept forecasts be older."""
    kept = await weather.hand.store.get("forecasts")
    for one in kept.values():
        one["at"] -= seconds
        one["until"] -= seconds
    await weather.hand.store.set("forecasts", kept)


async def test_two_people_at_once_ask_once(weather: Commands, sky: Sky) -> None:
    texts = await asyncio.gather(*(weather.text("weather", "39.7,-104.98") for _ in range(5)))
    assert len(set(texts)) == 1 and sky.paths() == [FORECAST]


async def test_what_is_kept_stays_small(weather: Commands, sky: Sky) -> None:
    for number in range(20):
        sky.places[f"Town {number}x"] = [place(f"Town {number}x", "Ohio", 1, number)]
        await weather.run("weather", f"Town {number}x")
    assert len(await weather.hand.store.get("forecasts")) == 12


@pytest.mark.parametrize("fault", FAULTS)
async def test_when_the_first_source_fails_the_second_is_asked(
    weather: Commands, sky: Sky, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weather.module, "EACH", 0.3)
    sky.faults = {FORECAST: fault}
    started = time.monotonic()
    reply = await weather.run("weather")
    assert re.match(
        r"Denver: 37 F, rain, wind SE 6 mph\. Today \d\d-\d\d, rain 0\.\d in\.", sms(reply)
    )
    assert reply.rows[-1] == ("Source", "MET Norway (CC BY 4.0)")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("429", "is over its limit"),
        ("500", "has trouble (HTTP 500)"),
        ("redirect", "has trouble (HTTP 302)"),
        ("truncated", "broke off its answer"),
        ("closed", "broke off its answer"),
        ("html", "sends no sense"),
        ("nulls", "sends no sense"),
        ("types", "sends no sense"),
        ("huge", "sends too much"),
        ("deep", "sends no sense"),
        ("slow", "gave no answer in 0.3 s"),
    ],
)
async def test_when_both_fail_one_sentence_names_each(
    weather: Commands, sky: Sky, fault: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weather.module, "EACH", 0.3)
    sky.faults = {FORECAST: "429", MET_NO: fault}
    assert await refusal(weather) == (
        f"No weather for Denver: Open-Meteo is over its limit; met.no {said}. Try again in 15 min."
    )


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_broken_list_of_places_is_said_so(
    weather: Commands, sky: Sky, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weather.module, "EACH", 0.3)
    sky.faults = {GEOCODING: fault}
    text = await refusal(weather)
    assert re.match(r"(Denver could not be looked up: the list of places|No place Denver\.)", text)
    assert text.endswith("!weather 39.74,-104.98")


async def test_a_recent_answer_beats_none(weather: Commands, sky: Sky) -> None:
    await weather.run("weather")
    await age(weather, 3600)
    sky.faults = {FORECAST: "500", MET_NO: "500"}
    assert (await weather.text("weather")).startswith("Denver, 60 min ago: 41 F, partly cloudy")
    await age(weather, 3 * 3600)
    assert (await refusal(weather)).startswith("No weather for Denver: Open-Meteo has trouble")


async def test_missing_values_are_left_out(weather: Commands, sky: Sky) -> None:
    sky.forecast["current"] |= {"apparent_temperature": None, "weather_code": "?"}
    sky.forecast["current"]["wind_speed_10m"] = 1e9
    sky.forecast["daily"]["temperature_2m_min"] = [None]
    sky.forecast["daily"]["precipitation_probability_max"] = None
    text = await weather.text("weather")
    assert text == f"Denver: 41 F. Today 47. {weekday(1)} 52 clear."
    sky.forecast["current"] = None
    await age(weather, 901)
    assert (await weather.text("weather")).startswith("Denver: no reading now. Today 47.")


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
    assert await weather.text("weather", "springfield") == f"{text} Text !weather springfield 2"
    assert (await weather.text("weather", "springfield", 2)).startswith("Springfield: 41 F")
    assert sky.asked[-1][1]["latitude"] == "42.10"
    assert await refusal(weather, "springfield", "4") == (
        "There are 3 places springfield, no number 4."
    )
    assert sky.paths().count(GEOCODING) == 1, "the numbers stay what they were"
    configure(weather, sky, place="springfield 3")
    await weather.run("weather")
    assert sky.asked[-1][1]["latitude"] == "39.80"


async def test_a_region_tells_namesakes_apart(weather: Commands, sky: Sky) -> None:
    assert (await weather.text("weather", "springfield,", "ill")).startswith("Springfield: 41 F")
    assert sky.asked[-1][1]["latitude"] == "39.80"


async def test_a_misspelt_place_is_read_back_under_its_name(weather: Commands, sky: Sky) -> None:
    sky.places["Denvr"] = sky.places["Denver"]
    assert await weather.text("weather", "Denvr") == us()


async def test_coordinates_need_no_list_of_places(weather: Commands, sky: Sky) -> None:
    assert (await weather.text("weather", "-33.87, 151.2")).startswith("-33.87,151.2: 41 F")
    assert sky.paths() == [FORECAST]
    assert "No place 91,0" in await refusal(weather, "91,0")


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
    ("fault", "said"),
    [
        ("204", "station has nothing new"),
        ("401", "station refuses our key"),
        ("nulls", "station sends no sense"),
        ("slow", "station gave no answer in 0.3 s"),
    ],
)
async def test_a_silent_station_is_said_so(
    station: Commands, sky: Sky, fault: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station.module, "EACH", 0.3)
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


async def test_on_a_dead_network_the_sentence_helps(weather: Commands, sky: Sky) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
    weather.set(place="39.7,-105", forecast=dead, geocoding=dead, second=dead)
    assert await refusal(weather) == (
        "No weather for 39.7,-105: Open-Meteo cannot be reached; met.no cannot be reached. "
        "Try again in 15 min."
    )
    assert "the list of places cannot be reached" in await refusal(weather, "Denver")


async def test_the_whole_answer_has_a_limit(
    weather: Commands, sky: Sky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weather.module, "WHOLE", 0.2)
    sky.faults = {GEOCODING: "slow"}
    assert await refusal(weather) == "No weather: no answer in 0 s. Try again later."


def test_limits_leave_room_for_the_reply(weather: Commands) -> None:
    assert weather.module.WHOLE < 15 < weather.commands["weather"].spec.timeout


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
