"""A plug of the Kasa generation: who it is, how it stands, and switching it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from housecarl.plugs import meter, version, wire
from housecarl.plugs.settings import PlugAddress
from housecarl.plugs.wire import Answer, PlugError, PlugRefused, PlugUnclear

#: seconds between a bad reading and the next look at it
RECHECK_AFTER = 1.0
#: what a plug's text fields are cut to
TEXT_LIMIT = 64


class Identity(NamedTuple):
    """What a plug says of itself; `hw_id` are 32 hex digits or empty.

    `device_id` is told by newer plugs only.
    """

    model: str
    hw_ver: str
    sw_ver: str
    hw_id: str
    mac: str
    alias: str
    rssi: int
    on: bool
    updating: bool
    metered: bool
    device_id: str = ""

    @property
    def version(self) -> str:
        """The short firmware version, e.g. 1.1.1."""
        return version.short(self.sw_ver)


class Look(NamedTuple):
    """How a plug stands: who it is, what the meter said, the energy of today."""

    identity: Identity
    reading: meter.Reading | None = None
    today_kwh: float | None = None


def identified(name: str, answer: Answer) -> Identity:
    """The identity in an answer; PlugUnclear when it is not one of a plug."""
    info = wire.member(name, answer, "system", "get_sysinfo")
    kind = str(info.get("type") or info.get("mic_type") or "")
    relay = info.get("relay_state")
    if "PLUG" not in kind or relay not in (0, 1):
        raise PlugUnclear(name, "answers, but is not a single plug.", sent=True)

    def text(key: str) -> str:
        return "".join(filter(str.isprintable, str(info.get(key, ""))))[:TEXT_LIMIT]

    rssi = info.get("rssi", 0)
    return Identity(
        text("model"),
        text("hw_ver"),
        text("sw_ver"),
        text("hwId").upper(),
        text("mac").upper(),
        text("alias"),
        rssi if isinstance(rssi, int) else 0,
        relay == 1,
        info.get("updating") == 1,
        "ENE" in text("feature"),
    )


@dataclass(frozen=True, slots=True)
class Device:
    """One configured plug; keeps no connection, as the plug serves one at a time."""

    name: str
    address: PlugAddress
    #: until a silent plug is told
    seconds: float = wire.DEADLINE

    @property
    def key(self) -> str:
        """What to lock while talking to it."""
        return f"plug {self.address.host.casefold()}:{self.address.port}"

    async def ask(self, request: Answer, *, seconds: float | None = None, tries: int = 1) -> Answer:
        """One raw request; see `wire.ask`."""
        host, port = self.address.host, self.address.port
        limit = self.seconds if seconds is None else seconds
        return await wire.ask(self.name, host, port, request, seconds=limit, tries=tries)

    async def identity(self, *, seconds: float | None = None) -> Identity:
        """Who it is, asked afresh."""
        request: Answer = {"system": {"get_sysinfo": {}}}
        return identified(self.name, await self.ask(request, seconds=seconds, tries=2))

    async def look(self, today: date, *, seconds: float | None = None) -> Look:
        """How it stands, in one request; in two when its clock is in another month than ours.

        When it does not answer the second, what it counted today is not known.
        """
        until = time.monotonic() + (self.seconds if seconds is None else seconds)
        request: Answer = {
            "system": {"get_sysinfo": {}},
            "time": {"get_time": {}},
            "emeter": {"get_realtime": {}, "get_daystat": _month(today)},
        }
        answer = await self.ask(request, seconds=seconds, tries=2)
        identity = identified(self.name, answer)
        if not identity.metered:
            return Look(identity)
        reading = self._reading(answer)
        day = _date(answer) or today
        if _month(day) != _month(today):
            request = {"emeter": {"get_daystat": _month(day)}}
            with contextlib.suppress(PlugError):
                answer = await self.ask(request, seconds=until - time.monotonic(), tries=2)
        return Look(identity, reading, _energy_of(answer, day))

    async def switch(self, on: bool, *, seconds: float | None = None) -> None:
        """Set the relay; setting it twice does no harm, so a lost connection is tried again."""
        request: Answer = {"system": {"set_relay_state": {"state": int(on)}}}
        answer = await self.ask(request, seconds=seconds, tries=2)
        wire.member(self.name, answer, "system", "set_relay_state")

    async def readings(self, count: int, *, pause: float) -> list[meter.Reading]:
        """So many readings of its meter, `pause` seconds apart."""
        readings: list[meter.Reading] = []
        for number in range(count):
            if number:
                await asyncio.sleep(pause)
            answer = await self.ask({"emeter": {"get_realtime": {}}}, tries=2)
            readings.append(self._reading(answer))
        return readings

    async def count_down(self, seconds: int, on: bool) -> bool:
        """Let the plug itself switch after so many seconds; False when it cannot."""
        rule = {"enable": 1, "delay": seconds, "act": int(on), "name": "housecarl"}
        try:
            await self._counting({"delete_all_rules": {}, "add_rule": rule})
        except PlugError:
            return False
        return True

    async def stop_counting(self) -> bool:
        """Let the plug itself switch no more; False when it does not answer.

        The first hardware version does so when it is set; one that refuses cannot count.
        """
        try:
            await self._counting({"delete_all_rules": {}})
        except PlugError as error:
            return isinstance(error, PlugRefused)
        return True

    async def _counting(self, orders: Answer) -> None:
        answer = await self.ask({"count_down": orders}, tries=2)  # each begins by deleting
        for order in orders:
            wire.member(self.name, answer, "count_down", order)

    def _reading(self, answer: Answer) -> meter.Reading:
        """What the meter says; nothing when the plug refuses to tell."""
        try:
            return meter.Reading.read(wire.member(self.name, answer, "emeter", "get_realtime"))
        except PlugRefused:
            return meter.Reading(None)


async def judged(
    device: Device, look: Look, *, pause: float = RECHECK_AFTER, seconds: float | None = None
) -> meter.Judgement | None:
    """What the meter says, read again before a bad reading is believed; None without a meter.

    One that counts more for today than a day can hold is wrong, too. When reading again would take
    longer than `seconds`, the one reading must do.
    """
    if look.reading is None:
        return None
    on = look.identity.on
    limit = meter.max_watts(look.identity.model, device.address.max_watts)
    readings: Sequence[meter.Reading] = [look.reading]
    if meter.implausible(look.reading, on, limit) is not None:
        with contextlib.suppress(PlugError, TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.sleep(pause)
                readings = [look.reading, *await device.readings(meter.RECHECKS, pause=pause)]
    found = meter.judge(readings, on, limit)
    return found._replace(fault=found.fault or meter.impossible_day(look.today_kwh, limit))


def _month(day: date) -> dict[str, int]:
    return {"year": day.year, "month": day.month}


def _date(answer: Answer) -> date | None:
    """The date the plug believes in, by which it counts its days."""
    part = answer.get("time")
    now = part.get("get_time") if isinstance(part, dict) else None
    try:
        return date(now["year"], now["month"], now["mday"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _energy_of(answer: Answer, day: date) -> float | None:
    """kWh of a day in a `get_daystat` answer."""
    for entry in entries(answer, "get_daystat", "day_list"):
        told = (entry.get("year", day.year), entry.get("month"), entry.get("day"))
        if told == (day.year, day.month, day.day):
            return kwh(entry)
    return None


def entries(answer: Answer, member: str, key: str) -> list[dict[str, Any]]:
    """The entries of a statistic; empty when the plug gives none."""
    part = answer.get("emeter")
    part = part.get(member) if isinstance(part, dict) else None
    listed = part.get(key) if isinstance(part, dict) else None
    if not isinstance(listed, list):
        return []
    return [entry for entry in listed if isinstance(entry, dict)]


def kwh(entry: dict[str, Any]) -> float | None:
    """The energy of one entry, whichever unit it is in; None when it is no energy."""
    total = meter.si(entry, "energy", "energy_wh")
    return total if total is not None and 0 <= total < math.inf else None
