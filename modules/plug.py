"""Switch smart plugs and ask how they stand."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from housecarl import Call, CommandError, Reply, Risk, command
from housecarl.plugs import acquaintance, busy, meter, switch_back, wire
from housecarl.plugs.device import RECHECK_AFTER, Device, Look, judged
from housecarl.plugs.measure import fault
from housecarl.plugs.meter import Judgement
from housecarl.plugs.names import UnknownPlug, device, named
from housecarl.plugs.settings import Plugs
from housecarl.plugs.switch_back import Back
from housecarl.plugs.wire import DEADLINE, PlugError, PlugRefused, PlugSilent, own_error

State = Literal["on", "off", "toggle"]
STATES: tuple[State, ...] = ("on", "off", "toggle")
#: minutes of `on 30`; a day is more than anybody means
LONGEST = 24 * 60


class Settings(BaseModel):
    """`plugs` may be texted; a silent one is told after `patience` seconds, a bad reading is
    repeated after `recheck` seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plugs: Plugs = Field(default_factory=dict)
    patience: float = Field(default=DEADLINE, gt=0, le=DEADLINE)
    recheck: float = Field(default=RECHECK_AFTER, ge=0, le=2)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the words ask for; no state means to look."""

    names: tuple[str, ...]
    state: State | None = None
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What was read back of one plug, or why nothing was; `perhaps` it has switched though.

    `another` plug than before may have answered. `counting` is what its own countdown may still do.
    """

    device: Device
    look: Look | None = None
    judgement: Judgement | None = None
    error: str = ""
    perhaps: bool = False
    another: bool = False
    counting: Back | None = None


def wished(words: tuple[str, ...], state: State | None = None) -> Wish:
    """Names, then perhaps a state, then perhaps minutes; commas between names are fine."""
    names = [part for word in words for part in word.split(",") if part]
    minutes = None
    if state is None and len(names) > 1 and names[-1].isdecimal() and _state(names[-2]):
        digits = names.pop()
        minutes = int(digits) if len(digits) < 10 else LONGEST + 1
    if state is None and names and (state := _state(names[-1])):
        names.pop()
    return Wish(tuple(names), state, minutes)


def _state(word: str) -> State | None:
    return next((state for state in STATES if state == word.casefold()), None)


def risk(args: Any) -> Risk:
    """Asking looks, switching changes."""
    return Risk.LOOK if wished(args.plugs, args.state).state is None else Risk.CHANGE


async def cancelled(call: Call, job: int) -> str:
    """End the countdowns of the plugs that a job was to switch back: they are to stay as they are.

    One that may go on is still known, so that whoever switches the plug next ends it.
    """
    back, plugs = await switch_back.found(call, job), call.settings.plugs
    if back is None:
        return ""
    patience = call.settings.patience
    devices = [device(name, plugs[name], patience) for name in back.plugs if name in plugs]
    ended = await asyncio.gather(*(_counts_no_more(call, one) for one in devices))
    going = [one.name for one, well in zip(devices, ended, strict=True) if not well]
    await switch_back.leave_out(call, back, set(back.plugs) - set(going))
    if not going:
        return ""
    return f"{' and '.join(going)} may still go {back.state} then: no answer."


async def _counts_no_more(call: Call, plug: Device) -> bool:
    """Whether a plug was told to switch by itself no more."""
    try:
        with own_error(plug.name):
            async with busy.turn(call.lock(plug.key), plug.name, call.settings.patience):
                await busy.leave_alone(call.store.beside(busy.MODULE), plug)
                return await plug.stop_counting()
    except PlugError:
        return False


@command(risk=risk, aliases=("p",), timeout=20, cancelled=cancelled)
async def plug(call: Call, *plugs: str, state: State | None = None) -> Reply:
    """Switch plugs or ask about them: plug lamp on

    plug lamp tells how it stands; plug lamp heater off and plug all off switch several; plug lamp
    on 30 switches it back after 30 minutes, unless plug lamp on comes before. What you read was
    read back.
    """
    wish = wished(plugs, state)
    if wish.state and not wish.names:
        raise CommandError(
            f"plug {wish.state}: which plug? {', '.join(sorted(call.settings.plugs))}"
        )
    typed = call.house.typed("plug", "lamp", "on", "30")
    if misplaced := next(filter(None, map(_state, wish.names)), None):
        raise CommandError(f"{misplaced} comes last, or before minutes: {typed}")
    if wish.minutes is not None and (wish.state == "toggle" or not 1 <= wish.minutes <= LONGEST):
        raise CommandError(f"Minutes go with on or off, 1 to {LONGEST}: {typed}")
    await wire.load()  # once, half a second or more that none of the plugs below is to blame for
    until = time.monotonic() + call.settings.patience
    apart = await busy.left_alone(call.store.beside(busy.MODULE), call.settings.plugs)
    gone = ""
    try:
        own = await switch_back.names(call)
        devices = await named(wish.names, call.settings.plugs, also=STATES, apart=apart, own=own)
    except UnknownPlug as error:
        if call.door != "job" or not error.others:
            raise
        devices, gone = [*error.others], f"{error} "  # nobody is there to write it anew
        until = time.monotonic() + call.settings.patience  # to look for that word took some of it
    other = "off" if wish.state == "on" else "on"
    names = [device.name for device in devices]
    async with switch_back.arranged(call, names, other, wish.minutes) as back:
        told = await asyncio.gather(*(_one(call, device, wish, back, until) for device in devices))
    failed = [one for one in told if one.error]
    unswitched = [one.device.name for one in failed if not one.perhaps]
    if back and unswitched:
        await switch_back.leave_out(call, back, unswitched)
    again = _again(call, back) if back and len(unswitched) < len(told) else ""
    if len(failed) == len(told):
        raise CommandError(gone + " ".join(one.error for one in failed) + again)
    text = gone + (_several(told) if len(told) > 1 else _sentence(call, told[0], wish)) + again
    others = " and ".join(one.device.name for one in told if one.another)
    if others:
        text += f" Another plug than before answers as {others}."
    text += "".join(_counting(call, one) for one in told)
    measured = [(one.device.name, _power(one)) for one in told]
    bars = [(name, round(watts, 1)) for name, watts in measured if watts is not None]
    rows = [row for one in told for row in _rows(one)]
    shown = bars if len(told) > 1 and any(watts for _, watts in bars) else ()
    return Reply(text, rows=rows, bars=shown, unit="W")


async def _one(call: Call, device: Device, wish: Wish, back: Back | None, until: float) -> Told:
    """Switch one plug, if that is asked, and read it back; one call at a time per plug.

    From now on only `back` switches it back, also when nobody knows whether it was switched; the
    plug's own countdown is the second belt. Without `back` that must be known: what is to switch it
    back then still is.

    All is over at `until`, so that a silent plug keeps no other waiting.
    """
    on, ordered, switched, counting = wish.state == "on", False, False, None
    try:
        with own_error(device.name):
            async with busy.turn(call.lock(device.key), device.name, until - time.monotonic()):
                await busy.leave_alone(call.store.beside(busy.MODULE), device)
                if wish.state == "toggle":
                    on = not (await device.identity(seconds=until - time.monotonic())).on
                try:
                    if wish.state is not None:
                        ordered = True
                        await device.switch(on, seconds=until - time.monotonic())
                        switched = True
                    today = datetime.now(ZoneInfo(call.house.timezone)).date()
                    look = await device.look(today, seconds=until - time.monotonic())
                except PlugError as error:
                    if back and _perhaps(error, ordered, switched):
                        await switch_back.replace(call, device.name, back)
                    raise
                if switched and look.identity.on != on:
                    state = "on" if look.identity.on else "off"
                    return Told(device, error=f"{device.name} said yes but is still {state}.")
                if switched:
                    minutes, left = wish.minutes or 0, until - time.monotonic()
                    counting = await switch_back.settle(call, device, back, minutes, left)
                another = await acquaintance.changed(call.store, device, look.identity)
                pause, left = call.settings.recheck, until - time.monotonic()
                judgement = await judged(device, look, pause=pause, seconds=left)
                return Told(device, look, judgement, another=another, counting=counting)
    except PlugError as error:
        perhaps = _perhaps(error, ordered, switched)
        why = f"{error}{_left(wish, error, switched, perhaps)}"
        return Told(device, error=why, perhaps=perhaps)


def _perhaps(error: PlugError, ordered: bool, switched: bool) -> bool:
    """Whether a plug may have switched, though the call failed."""
    return switched or (ordered and error.sent and not isinstance(error, PlugRefused))


def _left(wish: Wish, error: PlugError, switched: bool, perhaps: bool) -> str:
    """What a failed call left behind."""
    if wish.state is None:
        return " Is it powered and on the Wi-Fi?" if isinstance(error, PlugSilent) else ""
    if switched:
        return " It was told to switch; how it stands is not known."
    return " It may have switched." if perhaps else " Nothing was switched."


def _again(call: Call, back: Back) -> str:
    """When plugs are switched back."""
    return f" {back.state.capitalize()} again at {back.clock(call.house.timezone)}."


def _counting(call: Call, told: Told) -> str:
    """That a plug's countdown of before may undo what was done."""
    back, look = told.counting, told.look
    if back is None or look is None or look.identity.on == (back.state == "on"):
        return ""
    at = back.clock(call.house.timezone)
    return f" {told.device.name} may still go {back.state} at {at} by itself: no answer."


def _sentence(call: Call, told: Told, wish: Wish) -> str:
    """What one plug says, as one SMS."""
    if told.look is None:
        return told.error
    name, on = told.device.name, told.look.identity.on
    judgement = told.judgement
    if judgement is not None and judgement.fault is not None:
        subject = name if wish.state is None else f"{name} {'on' if on else 'off'}. It"
        return fault(subject, judgement.fault, call.house.typed("firmware", name))
    parts = []
    if judgement is not None:
        watts = judgement.watts
        parts.append("No reading" if watts is None else f"{meter.shown(watts)} now")
    if told.look.today_kwh is not None:
        parts.append(f"{told.look.today_kwh:.2f} kWh today")
    text = f"{name} {'on' if on else 'off'}." + (f" {', '.join(parts)}." if parts else "")
    if judgement is not None and judgement.glitches:
        text += " 1 glitch ignored." if judgement.glitches == 1 else " 2 glitches ignored."
    return text


def _several(told: Sequence[Told]) -> str:
    """One line about several plugs; what failed comes first, because it matters most."""
    failed = [one.error for one in told if one.error]
    well = [one for one in told if not one.error]
    total = sum(_power(one) or 0.0 for one in well)
    text = ", ".join(f"{one.device.name} {_brief(one)}" for one in well) + "."
    if total:
        text += f" {meter.shown(total)} in all."
    return " ".join([*failed, text])


def _brief(told: Told) -> str:
    state = "on" if told.look is not None and told.look.identity.on else "off"
    if told.judgement is None or told.judgement.watts is not None:
        return state
    return f"{state} (meter wrong)" if told.judgement.fault else f"{state} (no reading)"


def _power(told: Told) -> float | None:
    """Watts of one plug; None when nothing can be believed of them."""
    return None if told.judgement is None else told.judgement.watts


def _rows(told: Told) -> list[tuple[str, str]]:
    """The table of an e-mail."""
    if told.look is None:
        return [(told.device.name, told.error)]
    identity, reading = told.look.identity, told.look.reading
    rows = [(told.device.name, "on" if identity.on else "off")]
    if reading is not None:
        watts = reading.watts
        rows.append(("Power", "no reading" if watts is None else f"{watts:.1f} W"))
    if reading is not None and reading.volts:
        rows.append(("Voltage", f"{reading.volts:.1f} V"))
    if told.look.today_kwh is not None:
        rows.append(("Today", f"{told.look.today_kwh:.2f} kWh"))
    rows.append(("Device", f"{identity.model} {identity.hw_ver}, firmware {identity.version}"))
    rows.append(("Signal", f"{identity.rssi} dBm"))
    return rows
