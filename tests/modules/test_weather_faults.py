"""Behaviour of the weather command when sources fail, as they do."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .conftest import Commands, sms
from .sky_server import FAULTS, FORECAST, GEOCODING, MET_NO, Sky
from .weather_house import age, impatient, refusal, weekday


@pytest.mark.long(after=5)
@pytest.mark.parametrize("fault", FAULTS)
async def test_when_the_first_source_fails_the_second_is_asked(
    weather: Commands, sky: Sky, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(weather, fault, monkeypatch)
    sky.faults = {FORECAST: fault}
    started = time.monotonic()
    reply = await weather.run("weather")
    assert re.match(
        r"Denver: 37 F, rain, wind SE 6 mph\. Today \d\d-\d\d, rain 0\.\d in\.", sms(reply)
    )
    assert reply.rows[-1] == ("Source", "MET Norway (CC BY 4.0)")
    assert time.monotonic() - started < 5


@pytest.mark.long(after=4)
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
        ("slow", "gave no answer in 0.1 s"),
    ],
)
async def test_when_both_fail_one_sentence_names_each(
    weather: Commands, sky: Sky, fault: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(weather, fault, monkeypatch)
    sky.faults = {FORECAST: "429", MET_NO: fault}
    assert await refusal(weather) == (
        f"No weather for Denver: Open-Meteo is over its limit; met.no {said}. Try again in 15 min."
    )


@pytest.mark.long(after=5)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_broken_list_of_places_is_said_so(
    weather: Commands, sky: Sky, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(weather, fault, monkeypatch)
    sky.faults = {GEOCODING: fault}
    text = await refusal(weather)
    empty = fault in ("nulls", "types", "nan")
    said = "No place Denver. " if empty else "Denver could not be looked up: the list of places "
    assert text.startswith(said) and text.endswith("!weather 39.74,-104.98")


async def test_a_recent_answer_beats_none(weather: Commands, sky: Sky) -> None:
    await weather.run("weather")
    await age(weather, 3600)
    sky.faults = {FORECAST: "500", MET_NO: "500"}
    assert (await weather.text("weather")).startswith("Denver, 60 min ago: 41 F, partly cloudy")
    await age(weather, 3 * 3600)
    assert (await refusal(weather)).startswith("No weather for Denver: Open-Meteo has trouble")


async def test_what_the_second_source_says_is_told_and_not_what_is_kept_of_the_first(
    weather: Commands, sky: Sky
) -> None:
    await weather.run("weather")
    await age(weather, 901)
    sky.faults = {FORECAST: "500"}
    assert (await weather.text("weather")).startswith("Denver: 37 F, rain, wind SE 6 mph. ")


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


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_AGAIN])
async def test_a_source_whose_name_leads_nowhere_cannot_be_reached(
    weather: Commands, sky: Sky, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """No such name, or a router without a way to the DNS: nobody began an answer."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    lost = "https://sky.lan"
    weather.set(place="39.7,-105", forecast=lost, geocoding=lost, second=lost)
    assert await refusal(weather) == (
        "No weather for 39.7,-105: Open-Meteo cannot be reached; met.no cannot be reached. "
        "Try again in 15 min."
    )


async def test_names_that_dns_has_no_answer_for_hold_up_nothing_else(
    weather: Commands, sky: Sky, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log-ins and dropped files use the loop's own pool of threads."""
    weather.set(place="39.7,-105", forecast=sky.base.replace("127.0.0.1", "localhost"))
    assert (await weather.text("weather")).startswith("39.7,-105: 41 F"), "by a name that has one"
    await age(weather, 4 * 3600)
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20))
    monkeypatch.setattr(weather.module, "EACH", 0.02)
    slow = "https://sky.lan"
    weather.set(place="39.7,-105", forecast=slow, geocoding=slow, second=slow)
    asyncio.get_running_loop().set_default_executor(pool := ThreadPoolExecutor(1))
    with pool:
        try:
            assert "gave no answer in 0.02 s" in await refusal(weather)
            assert await asyncio.wait_for(asyncio.to_thread(lambda: 7), 5.0) == 7
        finally:
            over.set()


async def test_the_whole_answer_has_a_limit(
    weather: Commands, sky: Sky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weather.module, "WHOLE", 0.2)
    sky.faults = {GEOCODING: "slow"}
    assert await refusal(weather) == "No weather: no answer in 0 s. Try again later."


def test_limits_leave_room_for_the_reply(weather: Commands) -> None:
    assert weather.module.WHOLE < 15 < weather.commands["weather"].spec.timeout


async def test_hours_that_tell_no_rain_or_no_temperature_are_left_out(
    weather: Commands, sky: Sky
) -> None:
    """As met.no sends them: hour by hour for two days, then every six, and then degrees alone."""
    noon = datetime.now(UTC) - timedelta(hours=7)  # the day it is there, by the sun
    cloudy = met_no_hour(-1.0, next_6_hours=0.0)
    cloudy["next_6_hours"]["summary"] = {"symbol_code": "cloudy"}
    sky.met_no["properties"]["timeseries"] = [
        {"time": f"{noon + timedelta(days=ahead):%Y-%m-%d}T{hour:02}:00:00Z", "data": data}
        for ahead, hour, data in (
            (0, 18, met_no_hour(5.0, next_1_hours=10.0, next_6_hours=500.0)),
            (0, 19, met_no_hour(9.0, next_6_hours=15.4)),
            (1, 1, met_no_hour(7.0)),
            (1, 18, met_no_hour(None, next_6_hours=10.0)),
            (2, 18, met_no_hour(-1.0)),
            (3, 18, cloudy),
        )
    ]
    sky.faults = {FORECAST: "500"}
    reply = await weather.run("weather")
    last = noon + timedelta(days=2)
    assert sms(reply) == f"Denver: 41 F. Today 41-48, rain 1.0 in. {last:%a} 30-30."
    assert [told for _, told in reply.rows[1:-1]] == [
        "41-48, rain 1.0 in",
        "30-30",
        "30-30, cloudy, no rain",
    ]


def met_no_hour(degrees: float | None, **rain: float) -> dict[str, Any]:
    details = {name: {"details": {"precipitation_amount": fell}} for name, fell in rain.items()}
    return {"instant": {"details": {"air_temperature": degrees}}, **details}
