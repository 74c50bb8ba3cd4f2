"""A loopback server that answers as the four weather services do, faults included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

GEOCODING, FORECAST = "/v1/search", "/v1/forecast"
MET_NO = "/weatherapi/locationforecast/2.0/compact"
STATION = "/v2/pws/observations/current"
FAULTS = (
    "429",
    "500",
    "400",
    "redirect",
    "truncated",
    "closed",
    "html",
    "empty",
    "list",
    "nulls",
    "types",
    "nan",
    "huge",
    "deep",
    "slow",
)


def day(ahead: int) -> str:
    return (datetime.now(UTC) + timedelta(days=ahead)).date().isoformat()


def forecast() -> dict[str, Any]:
    """As Open-Meteo sends it: 41 F, partly cloudy, W 9 mph; 28-47 and 20 %; then 30-52, clear."""
    return {
        "latitude": 39.74,
        "longitude": -104.98,
        "elevation": 1609.0,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "current_units": {"time": "iso8601", "temperature_2m": "°C"},
        "current": {
            "time": f"{day(0)}T14:00",
            "interval": 900,
            "temperature_2m": 5.0,
            "apparent_temperature": 2.2,
            "weather_code": 2,
            "wind_speed_10m": 14.5,
            "wind_direction_10m": 270,
        },
        "daily": {
            "time": [day(n) for n in range(5)],
            "weather_code": [3, 0, 61, 71, 95],
            "temperature_2m_max": [8.3, 11.1, 9.0, -1.0, 2.0],
            "temperature_2m_min": [-2.2, -1.1, 1.0, -8.0, -3.0],
            "precipitation_probability_max": [20, 0, 80, 70, None],
        },
    }


def met_no() -> dict[str, Any]:
    """As met.no sends it, hour by hour from today's midnight: 3 to 9 degrees, 0.5 mm an hour."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    details = {"wind_speed": 2.5, "wind_from_direction": 151.8}
    hours = [
        {
            "time": f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}",
            "data": {
                "instant": {"details": {**details, "air_temperature": 3.0 + hour % 7}},
                "next_1_hours": {
                    "summary": {"symbol_code": "lightrainshowers_day"},
                    "details": {"precipitation_amount": 0.5},
                },
            },
        }
        for hour in range(60)
    ]
    return {"type": "Feature", "properties": {"meta": {}, "timeseries": hours}}


def observation() -> dict[str, Any]:
    """As a personal station reports in metric units."""
    metric = {"temp": 4.4, "heatIndex": 4.4, "windChill": 1.1, "windSpeed": 12.9, "windGust": 20.0}
    where = {"lat": 39.74, "lon": -104.98, "neighborhood": "Elm Street"}
    return {"observations": [{"stationID": "KCODENVE1", "winddir": 180, **where, "metric": metric}]}


def place(
    name: str, region: str, people: int | None, at: float = 39.7, **more: Any
) -> dict[str, Any]:
    about = {"latitude": at, "longitude": -104.98, "country_code": "US", "country": "United States"}
    return {"id": 1, "name": name, "admin1": region, "population": people, **about, **more}


@dataclass
class Sky:
    """What the server answers, and what it was asked: (path, query, headers)."""

    base: str = ""
    places: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    forecast: Any = field(default_factory=forecast)
    met_no: Any = field(default_factory=met_no)
    station: Any = field(default_factory=observation)
    faults: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    is_new: bool = False  # since whatever it is asked for
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)

    def paths(self) -> list[str]:
        """The paths asked for since the last look."""
        paths = [path for path, _, _ in self.asked]
        self.asked.clear()
        return paths

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.query), dict(request.headers)))
        found: dict[str, Any] = {"generationtime_ms": 0.5}
        if places := self.places.get(request.query.get("name", "")):
            found["results"] = places
        data = {
            GEOCODING: found,
            FORECAST: self.forecast,
            MET_NO: self.met_no,
            STATION: self.station,
        }[request.path]
        if fault := self.faults.get(request.path):
            return await broken(request, fault, data)
        asked_since = "If-Modified-Since" in request.headers and request.path == MET_NO
        if asked_since and not self.is_new:
            return web.Response(status=304, headers=self.headers)
        return web.json_response(data, headers=self.headers)


async def broken(request: web.Request, fault: str, data: Any) -> web.StreamResponse:
    """Answer with a fault; `nulls` and `types` keep the shape and lose the values."""
    text = json.dumps(data)
    if fault.isdigit():
        reason = {"error": True, "reason": "Daily API request limit exceeded."}
        return web.json_response(reason, status=int(fault))
    if fault == "redirect":
        raise web.HTTPFound("/elsewhere")
    if fault == "slow":
        await asyncio.sleep(30)
    if fault in ("truncated", "closed"):
        response = web.StreamResponse(headers={"Content-Length": str(len(text))})
        if fault == "truncated":
            await response.prepare(request)
            await response.write(text[: len(text) // 2].encode())
        assert request.transport is not None
        request.transport.abort()
        return response
    body = {
        "html": "<html>Down for maintenance</html>",
        "empty": "",
        "list": "[[], {}]",
        "nulls": json.dumps(_each(data, None)),
        "types": json.dumps(_each(data, ["?"])),
        "nan": json.dumps(_each(data, float("nan"))),
        "huge": json.dumps({"padding": "x" * 300_000, **data}),
        "deep": "[" * 100_000,
    }
    return web.Response(text=body[fault], content_type="application/json")


def _each(data: Any, value: Any) -> Any:
    if isinstance(data, dict):
        return {key: _each(inner, value) for key, inner in data.items()}
    if isinstance(data, list):
        return [_each(inner, value) for inner in data]
    return value


@asynccontextmanager
async def running(sky: Sky) -> AsyncIterator[Sky]:
    """Serve on a free port of loopback."""
    application = web.Application()
    for path in (GEOCODING, FORECAST, MET_NO, STATION):
        application.router.add_get(path, sky.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sky.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield sky
    finally:
        await runner.cleanup()
