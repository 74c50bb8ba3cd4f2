"""Measuring plugs: each measurement is remembered, and what is said of a meter."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple, Protocol

from housecarl.plugs import meter
from housecarl.plugs.device import Device, Look, judged
from housecarl.plugs.sense import Memory, Sensed, sense


class Store(Protocol):
    """The part of a module's store that is needed here."""

    async def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""

    async def set(self, key: str, value: Any) -> None:
        """Store a JSON value."""

    async def append(self, series: str, value: float) -> None:
        """Add one reading to a series."""


class Measurement(NamedTuple):
    """How one plug stands and what its meter means, after all that is remembered of it."""

    look: Look
    judgement: meter.Judgement
    sensed: Sensed

    @property
    def watts(self) -> float | None:
        """What can be believed of its power; None when that is nothing."""
        return self.judgement.watts


async def measure(device: Device, store: Store, today: date, *, pause: float) -> Measurement | None:
    """Measure one plug and remember it; None without a meter. Raises PlugError.

    A believable power goes into the series `watts.NAME`, the memory of the meter under
    `meter.NAME`. `pause` is the seconds before a bad reading is repeated.
    """
    look = await device.look(today)
    judgement = await judged(device, look, pause=pause)
    if judgement is None:
        return None
    stored = await store.get(f"meter.{device.name}", {})
    memory = Memory.read(stored, look.identity.mac)
    sensed = sense(memory, judgement, today)
    await store.set(f"meter.{device.name}", sensed.memory.stored())
    if judgement.watts is not None:
        await store.append(f"watts.{device.name}", judgement.watts)
    return Measurement(look, judgement, sensed)


def reset(name: str, memory: Memory) -> str:
    """That a counter began anew."""
    return f"{name}: its counter fell by {memory.fell:.2f} kWh. It counts from there on."


def fault(name: str, why: str, ask: str, cure: str | None = None) -> str:
    """That a meter is wrong.

    `ask` is the command that asks for its firmware, `cure` the version of a newer one that lies
    ready.
    """
    if cure is not None:
        return f"{name} {why}: the meter is wrong. Firmware {cure} may cure it: {ask}."
    return f"{name} {why}: the meter is wrong. Try {ask}."
