"""Watches on plugs: too many watts, too few, and meters that cannot be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from housecarl.config_watches import PlugWatch
from housecarl.means import JournalStore, Workshop
from housecarl.plugs import busy
from housecarl.plugs.device import RECHECK_AFTER
from housecarl.plugs.measure import Measurement, measure, reset
from housecarl.plugs.names import device
from housecarl.plugs.sense import Memory
from housecarl.plugs.settings import PlugAddress
from housecarl.plugs.wire import PlugError, PlugSilent, own_error
from housecarl.watches.source import Notice
from housecarl.watches.state import Finding, Rule

#: Whose memory of the meters it is: `!energy` and the watch know the same.
MEMORY = "energy"


@dataclass(frozen=True, slots=True, eq=False)
class Plug:
    """One plug; `plugs` are those of the module's settings, as they are now."""

    name: str
    watch: PlugWatch
    plugs: Callable[[], Mapping[str, PlugAddress]]
    workshop: Workshop
    zone: ZoneInfo

    @property
    def names(self) -> frozenset[str]:
        """Its watts, its meter, and a counter that began anew."""
        return frozenset({f"plug.{self.name}", f"meter.{self.name}", f"counter.{self.name}"})

    def next(self, now: datetime) -> datetime | None:
        """As often as is wanted."""
        return now + timedelta(seconds=self.watch.every)

    async def look(self, now: datetime) -> Sequence[Finding | Notice]:
        """Measure it once and remember what it said."""
        address = self.plugs().get(self.name)
        if address is None:
            return [self._watts(False, "no such plug")]
        plug = device(self.name, address)
        store = JournalStore(self.workshop.db, MEMORY, self.workshop.clock)
        today = now.astimezone(self.zone).date()
        try:
            async with self.workshop.lock(plug.key):
                with own_error(self.name):
                    await busy.leave_alone(store.beside(busy.MODULE), plug)
                    measured = await measure(plug, store, today, pause=RECHECK_AFTER)
        except busy.PlugBusy:
            return []
        except PlugSilent:
            return [self._watts(False, "no answer")]
        except PlugError as error:
            return [self._watts(False, error.text.removesuffix("."))]
        if measured is None:
            return [self._watts(False, "it has no meter")]
        return [*self._meter(measured, now), self._watts(*judge(measured, self.watch))]

    def _watts(self, ok: bool | None, text: str) -> Finding:
        rule = Rule(self.watch.after, self.watch.urgent)
        return Finding(f"plug.{self.name}", self.name, ok, text, rule)

    def _meter(self, measured: Measurement, now: datetime) -> Sequence[Finding | Notice]:
        """Whether the meter is right; it was read several times, so this is told at once."""
        sensed, name = measured.sensed, self.name
        rule = Rule(0.0, self.watch.urgent)
        if sensed.memory.wrong:
            ok = False if sensed.why else None
        else:
            ok = None if measured.watts is None else True
        found = Finding(f"meter.{name}", f"{name} meter", ok, sensed.why, rule)
        return [*self._counter(sensed.memory, now), found]

    def _counter(self, memory: Memory, now: datetime) -> Sequence[Notice]:
        """That its counter fell, whoever noticed; by its stamp each time is told once."""
        if not memory.fell_lately(now.astimezone(self.zone).date()):
            return ()
        stamp, text = f"{memory.fell_on} {memory.resets}", reset(self.name, memory)
        return [Notice(f"counter.{self.name}", stamp, text, self.watch.urgent)]


def judge(measured: Measurement, watch: PlugWatch) -> tuple[bool | None, str]:
    """Whether a plug draws what it should, None when its meter cannot tell; and what is wrong."""
    watts = measured.watts
    if measured.judgement.fault is not None:
        return None, ""
    if watts is None:
        return False, "no reading"
    if watch.over is not None and watts > watch.over:
        return False, f"{watts:.0f} W, over {watch.over:g} W"
    if watch.under is not None and watts < watch.under:
        state = f"{watts:.0f} W" if measured.look.identity.on else "switched off"
        return False, f"{state}, under {watch.under:g} W"
    return True, ""
