"""What the plugs draw and have counted, and whether their meters can be believed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from housecarl import Call, CommandError, Finding, Regular, Reply, command
from housecarl.location import Location
from housecarl.plugs import busy, manifest, meter, version
from housecarl.plugs.device import RECHECK_AFTER, Device, Identity, Look
from housecarl.plugs.energy import WEEK, History, history
from housecarl.plugs.image import ImageError
from housecarl.plugs.measure import Measurement, fault, measure, reset
from housecarl.plugs.names import device, named
from housecarl.plugs.settings import Plugs
from housecarl.plugs.wire import DEADLINE, PlugError, own_error
from housecarl.quantity import Duration

Period = Literal["now", "today", "week", "month"]
#: seconds that one plug may take with its rechecks; the others are not kept waiting for it
LONGEST_READING = 15.0
PERIODS: tuple[Period, ...] = ("now", "today", "week", "month")


class Settings(BaseModel):
    """`plugs` come from the section of plug, `folder` from the section of firmware.

    With an `interval` every plug is measured so often, and a meter that goes wrong is told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: keys taken from another module's section when this one has none of that name
    borrows: ClassVar[Mapping[str, str]] = {"plugs": "plug", "folder": "firmware"}

    plugs: Plugs = Field(default_factory=dict)
    folder: Location | None = None
    #: between two readings that are kept, a minute at the least; none: only when somebody asks
    interval: Duration | None = Field(default=None, ge=60)
    #: seconds until a silent plug is told
    patience: float = Field(default=DEADLINE, gt=0, le=DEADLINE)
    #: seconds until a bad reading is repeated
    recheck: float = Field(default=RECHECK_AFTER, ge=0, le=2)


@dataclass(frozen=True, slots=True)
class Measured:
    """One plug with a meter: how it stands, what its meter means, what it counted."""

    device: Device
    now: Measurement
    history: History

    @property
    def look(self) -> Look:
        """How it stands."""
        return self.now.look


def interval(settings: Settings) -> float | None:
    """Seconds between two readings; None when none are to be taken."""
    return settings.interval if settings.plugs else None


async def readings(call: Call) -> list[Finding]:
    """Measure every plug and keep what it says; how each meter is, and each counter."""
    plugs, patience = call.settings.plugs, call.settings.patience
    devices = [device(name, address, patience) for name, address in sorted(plugs.items())]
    found = await asyncio.gather(*(_reading(call, one) for one in devices))
    return [finding for several in found for finding in several]


async def _reading(call: Call, one: Device) -> list[Finding]:
    """One plug; a silent one, or one that is being flashed, is no news of its meter."""
    try:
        async with asyncio.timeout(LONGEST_READING), call.lock(one.key):
            with own_error(one.name):
                await busy.leave_alone(call.store.beside(busy.MODULE), one)
                now = await measure(one, call.store, _today(call), pause=call.settings.recheck)
    except (PlugError, TimeoutError):
        return [Finding(one.name, None), Finding(f"{one.name}.counter", None)]
    if now is None:
        return []
    sensed = now.sensed
    fell = sensed.memory.fell_lately(_today(call))
    said = reset(one.name, sensed.memory) if fell else ""
    counter = Finding(f"{one.name}.counter", not fell, said)
    if not sensed.memory.wrong and now.watts is not None:
        return [Finding(one.name, True, f"{one.name}: its meter is well again."), counter]
    if not sensed.why:
        return [Finding(one.name, None), counter]
    cure = await _cure(call, now.look.identity)
    text = fault(one.name, sensed.why, call.house.typed("firmware", one.name), cure)
    return [Finding(one.name, False, text), counter]


@command(aliases=("kwh",), timeout=20, regular=Regular(interval, readings))
async def energy(call: Call, *plugs: str, period: Period | None = None) -> Reply:
    """Ask what plugs draw and have counted: energy lamp week

    energy alone tells of all plugs; now, today, week and month choose what. A meter that cannot be
    right is said to be wrong, once more when it is well again.
    """
    settings, chosen, today = call.settings, period or "now", _today(call)
    apart = await busy.left_alone(call.store.beside(busy.MODULE), settings.plugs)
    patience = settings.patience
    devices = await named(plugs, settings.plugs, also=PERIODS, apart=apart, seconds=patience)
    results = await asyncio.gather(*(_measured(call, device, today) for device in devices))
    errors = [result for result in results if isinstance(result, str)]
    measured = [result for result in results if isinstance(result, Measured)]
    if not measured:
        raise CommandError(" ".join(errors[:3]))
    if len(devices) == 1:
        one = measured[0]
        return await _alarm(call, one) if one.now.sensed.why else _one(one, chosen, today)
    return _several(measured, [*map(_reset, measured), *errors], chosen, today)


async def _measured(call: Call, device: Device, today: date) -> Measured | str:
    """Look at one plug and remember its meter; a sentence when that cannot be."""
    settings = call.settings
    try:
        async with (
            asyncio.timeout(LONGEST_READING),
            busy.turn(call.lock(device.key), device.name, LONGEST_READING / 2),
        ):
            with own_error(device.name):
                await busy.leave_alone(call.store.beside(busy.MODULE), device)
                now = await measure(device, call.store, today, pause=settings.recheck)
                if now is None:
                    return f"{device.name} has no meter."
                limit = meter.max_watts(now.look.identity.model, device.address.max_watts)
                return Measured(device, now, await history(device, today, limit))
    except PlugError as error:
        return str(error)
    except TimeoutError:
        return f"{device.name} takes too long to answer."


async def _alarm(call: Call, one: Measured) -> Reply:
    """A meter that cannot be right, and what may cure it."""
    name = one.device.name
    cure = await _cure(call, one.look.identity)
    text = fault(name, one.now.sensed.why, call.house.typed("firmware", name), cure)
    return Reply(text, rows=_rows(one))


def _reset(one: Measured) -> str:
    """That its counter was found to have begun anew, else empty."""
    sensed = one.now.sensed
    return reset(one.device.name, sensed.memory) if sensed.news == "reset" else ""


async def _cure(call: Call, identity: Identity) -> str | None:
    """A newer firmware that lies ready for this plug."""
    if call.settings.folder is None:
        return None
    try:
        found = await asyncio.to_thread(manifest.read_folder, call.settings.folder)
    except ImageError:
        return None
    best = manifest.best(found, identity)
    if best is None or manifest.direction(best, identity) <= 0:
        return None
    return version.short(best.version or "")


def _one(one: Measured, period: Period, today: date) -> Reply:
    """One plug with a meter that can be believed."""
    if fell := _reset(one):
        return Reply(fell, rows=_rows(one))
    text = f"{one.device.name} {_said(one, period, today)}."
    if one.now.sensed.news == "well":
        text += " Its meter is well again."
    elif one.now.judgement.glitches:
        text += f" {_count(one.now.judgement.glitches, 'glitch', 'glitches')} ignored."
    bars = [(f"{day:%a %d}", round(energy, 2)) for day, energy in _days(one, period, today)]
    return Reply(text, rows=_rows(one), bars=bars, unit="kWh")


def _said(one: Measured, period: Period, today: date) -> str:
    now = "no reading" if one.now.watts is None else f"{meter.shown(one.now.watts)} now"
    if period == "now":
        counted = [f"{one.look.today_kwh:.2f} kWh today"] if one.look.today_kwh is not None else []
        month = _value(one, "month", today)
        counted += [f"{month:.1f} kWh this month"] if month is not None else []
        return ", ".join([now, *counted])
    total = _value(one, period, today)
    if period == "today":
        return f"{'no count of' if total is None else f'{total:.2f} kWh'} today, {now}"
    days = _days(one, period, today)
    if period == "week":
        if total is None:
            return f"no count of the last {WEEK} days"
        shown = ", ".join(f"{day:%a} {energy:.2f}" for day, energy in days)
        return f"{total:.2f} kWh in {WEEK} days: {shown}"
    if total is None:
        return "no count of this month"
    average = f", {total / len(days):.2f} a day" if days else ""
    return f"{total:.2f} kWh this month{average}"


def _days(one: Measured, period: Period, today: date) -> list[tuple[date, float]]:
    """The days a period is about; a week for the periods that are shorter."""
    first = today - timedelta(days=WEEK - 1)
    return list(one.history.since(today.replace(day=1) if period == "month" else first))


def _several(measured: list[Measured], more: list[str], period: Period, today: date) -> Reply:
    """Several plugs in one line; the sum, then each, then more sentences."""
    values = [(one.device.name, _value(one, period, today)) for one in measured]
    unit = "W" if period == "now" else "kWh"
    shown = ", ".join(
        f"{name} {_number(value, unit)}" if not one.now.sensed.why else f"{name} meter wrong"
        for one, (name, value) in zip(measured, values, strict=True)
    )
    bars = [(name, round(value, 2)) for name, value in values if value is not None]
    text = f"{shown}."
    if bars:
        total = _number(sum(value or 0.0 for _, value in values), unit)
        text = f"{total} {unit} {period if period != 'now' else 'in all'}: {text}"
    rows = [row for one in measured for row in _rows(one)]
    return Reply(" ".join(filter(None, [text, *more])), rows=rows, bars=bars, unit=unit)


def _value(one: Measured, period: Period, today: date) -> float | None:
    """What one plug drew or counted; None when there is nothing that can be believed."""
    if one.now.sensed.why:
        return None
    if period == "now":
        return one.now.watts
    if period == "today":
        return one.look.today_kwh
    days = _days(one, period, today)
    if not days and period == "month":  # newer plugs tell the month only
        return one.history.month
    return sum(energy for _, energy in days) if days else None


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "no reading" if unit == "W" else "no count"
    return f"{value:.0f}" if unit == "W" else f"{value:.2f}"


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _rows(one: Measured) -> list[tuple[str, str]]:
    reading = one.now.judgement.reading
    watts = "no reading" if reading.watts is None else f"{reading.watts:.1f} W"
    rows = [(one.device.name, watts)]
    if reading.volts:
        rows.append(("Voltage", f"{reading.volts:.1f} V"))
    if reading.amperes is not None:
        rows.append(("Current", f"{reading.amperes:.3f} A"))
    if reading.total_kwh is not None:
        rows.append(("Counter", f"{reading.total_kwh:.2f} kWh"))
    return rows


def _today(call: Call) -> date:
    return datetime.now(ZoneInfo(call.house.timezone)).date()
