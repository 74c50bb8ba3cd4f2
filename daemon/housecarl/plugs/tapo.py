"""A newer plug (KLAP, Tapo), which wants the TP-Link account; asked the same as an older one."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from housecarl.errors import SecretError
from housecarl.plugs import meter, place, wire
from housecarl.plugs.device import Device, Identity, Look
from housecarl.plugs.wire import PlugError, PlugRefused, PlugSilent, PlugUnclear

T = TypeVar("T")

#: seconds an unused session is kept; a new one costs a handshake of about half a second
IDLE_CLOSE = 60.0
#: states of an update, as these plugs count them; 0 is none, below it is an error
DOWNLOADING, WRITING = 2, 3
#: seconds to find out by UDP which protocol a plug speaks, before each is tried
DISCOVERY = 2
#: what is told of one that no way of connecting reached: to try them all may outlast the deadline
UNHEARD = "does not answer, or not to this user and password."


class PlugLocked(PlugError):
    """The plug does not take our user and password."""


@dataclass(frozen=True, slots=True)
class Session:
    """A python-kasa device that is connected, and the timer that closes it."""

    plug: Any
    loop: asyncio.AbstractEventLoop
    timer: asyncio.TimerHandle


#: open sessions by (host, user); only of plugs that were asked within the last minute
_sessions: dict[tuple[str, str], Session] = {}

#: who may open a session, by its key; a lock belongs to one loop
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], asyncio.Lock]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True, slots=True)
class NewDevice(Device):
    """One configured plug that needs an account."""

    async def identity(self, *, seconds: float | None = None) -> Identity:
        """Who it is, asked afresh."""
        left = self._left(seconds)
        identity = _identity(self.name, await self._updated(left()))
        with contextlib.suppress(PlugRefused):  # old firmware does not know the question
            updating = await self.with_firmware(_updating, seconds=left())
            return identity._replace(updating=bool(updating))
        return identity

    async def look(self, today: date, *, seconds: float | None = None) -> Look:
        """How it stands."""
        plug = await self._updated(seconds)
        identity, energy = _identity(self.name, plug), plug.modules.get("Energy")
        if energy is None:
            return Look(identity)
        return Look(identity, _reading(energy), _kwh(energy, "consumption_today"))

    async def switch(self, on: bool, *, seconds: float | None = None) -> None:
        """Set the relay; never tried twice by us."""
        left = self._left(seconds)
        plug = await self._session(left())
        await self._bounded(plug.turn_on() if on else plug.turn_off(), left(), sent=True)

    async def readings(self, count: int, *, pause: float) -> list[meter.Reading]:
        """So many readings, `pause` seconds apart; none when it has no meter."""
        readings = []
        for number in range(count):
            if number:
                await asyncio.sleep(pause)
            energy = (await self._updated(None)).modules.get("Energy")
            if energy is None:
                return []
            readings.append(_reading(energy))
        return readings

    async def count_down(self, seconds: int, on: bool) -> bool:
        """These plugs are not asked to count; the house switches back."""
        return False

    async def stop_counting(self) -> bool:
        """They do not count."""
        return True

    async def month_kwh(self) -> float | None:
        """The energy of this month."""
        energy = (await self._updated(None)).modules.get("Energy")
        return None if energy is None else _kwh(energy, "consumption_this_month")

    async def with_firmware(
        self, work: Callable[[Any], Awaitable[T]], *, seconds: float | None = None
    ) -> T | None:
        """What `work` makes of python-kasa's firmware module; None for a plug without one."""
        left = self._left(seconds)
        plug = await self._session(left())
        if not plug.modules:
            await self._bounded(plug.update(), left())
        firmware = plug.modules.get("Firmware")
        return None if firmware is None else await self._bounded(work(firmware), left())

    async def fetch_firmware(self) -> None:
        """Order the plug to fetch its firmware and write it; sent once.

        Not by the module's own `update`, which sends the order up to four times.
        """
        plug = await self._session(None)
        await self._bounded(plug.protocol.query({"fw_download": None}, retry_count=0), None, True)

    async def _updated(self, seconds: float | None) -> Any:
        """The plug as it is now.

        New firmware may have other parts, and python-kasa asks for these only when it connects.
        """
        left = self._left(seconds)
        plug = await self._session(left())
        before = _version(plug) if plug.modules else ""
        await self._bounded(plug.update(), left())
        if before not in ("", _version(plug)):
            await _close(self._key)
            plug = await self._session(left())
            await self._bounded(plug.update(), left())
        return plug

    def _left(self, seconds: float | None) -> Callable[[], float]:
        """What is left of a deadline, whenever it is asked: one for all steps of a request."""
        until = time.monotonic() + (self.seconds if seconds is None else seconds)
        return lambda: until - time.monotonic()

    @property
    def _key(self) -> tuple[str, str]:
        """What its session is kept by."""
        return self.address.host, self.address.user or ""

    async def _session(self, seconds: float | None) -> Any:
        """The connected python-kasa device, kept for a minute after its last use."""
        await wire.load()
        loop = asyncio.get_running_loop()
        key = self._key
        session = _sessions.get(key)
        if session is None or session.loop is not loop:
            return await self._bounded(self._opened(), seconds, silent=UNHEARD)
        return _kept(key, session.plug)

    async def _opened(self) -> Any:
        """A new session, or that of somebody who asked at the same time; one handshake at once."""
        key, loop = self._key, asyncio.get_running_loop()
        async with _turns.setdefault(loop, {}).setdefault(key, asyncio.Lock()):
            session = _sessions.get(key)
            if session is not None and session.loop is loop:
                return _kept(key, session.plug)
            return _kept(key, await self._connect())

    async def _connect(self) -> Any:
        from kasa import Credentials, Discover, KasaException

        found_at = await place.addresses(self.address.host, self.seconds)
        if not found_at:
            raise PlugSilent(self.name, "cannot be reached.")
        host = found_at[0]
        account = Credentials(self.address.user or "", await self._password())
        found = None
        with contextlib.suppress(KasaException):
            found = await Discover.discover_single(
                host, credentials=account, discovery_timeout=DISCOVERY
            )
        if found is None:
            found = await Discover.try_connect_all(host, credentials=account)
        if found is None:
            raise PlugSilent(self.name, UNHEARD)
        return found

    async def _password(self) -> str:
        assert self.address.password is not None  # it comes with the user, by which we are one
        try:
            return await asyncio.to_thread(self.address.password.read)
        except SecretError:
            raise PlugLocked(self.name, "cannot be asked: its password cannot be read.") from None

    async def _bounded(
        self,
        work: Awaitable[T],
        seconds: float | None,
        sent: bool = False,
        silent: str = "does not answer.",
    ) -> T:
        """Do it within the deadline; whatever python-kasa raises becomes one sentence."""
        from kasa.exceptions import AuthenticationError, DeviceError

        try:
            async with asyncio.timeout(self.seconds if seconds is None else seconds):
                return await work
        except PlugError:
            raise
        except Exception as error:
            await _close(self._key)
            if isinstance(error, AuthenticationError):
                raise PlugLocked(self.name, "does not take our user and password.") from error
            if isinstance(error, TimeoutError):
                raise PlugSilent(self.name, silent, sent=sent) from error
            if isinstance(error, DeviceError) and error.error_code is not None:
                code = error.error_code
                raise PlugRefused(self.name, int(code), code.name.replace("_", " ")) from error
            raise PlugUnclear(self.name, wire.NONSENSE, sent=sent) from error


def _kept(key: tuple[str, str], plug: Any) -> Any:
    """The plug, whose session is kept for a minute from now on."""
    loop = asyncio.get_running_loop()
    if key in _sessions:
        _sessions[key].timer.cancel()
    timer = loop.call_later(IDLE_CLOSE, lambda: loop.create_task(_close(key)))
    _sessions[key] = Session(plug, loop, timer)
    return plug


async def close() -> None:
    """Close every session: for who ends before they are unused for long enough."""
    for key in list(_sessions):
        await _close(key)


async def _close(key: tuple[str, str]) -> None:
    """Forget and close one session."""
    session = _sessions.pop(key, None)
    if session is None:
        return
    session.timer.cancel()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2):
            await session.plug.disconnect()


def _identity(name: str, plug: Any) -> Identity:
    """What python-kasa makes of its answer; that may break over one which makes no sense."""
    with wire.own_error(name):
        hardware = plug.hw_info
        return Identity(
            str(plug.model),
            str(hardware.get("hw_ver", "")),
            _version(plug),
            "",  # they tell no hardware id
            str(plug.mac).upper(),
            str(plug.alias or ""),
            int(plug.rssi or 0),
            bool(plug.is_on),
            False,
            "Energy" in plug.modules,
            str(getattr(plug, "device_id", "")),
        )


def _version(plug: Any) -> str:
    return str(plug.hw_info.get("sw_ver", ""))


async def _updating(firmware: Any) -> bool:
    """Whether it fetches or writes firmware now."""
    return (await firmware.get_update_state()).status in (DOWNLOADING, WRITING)


def _reading(energy: Any) -> meter.Reading:
    return meter.Reading(
        _told(energy, "current_consumption"), _told(energy, "current"), _told(energy, "voltage")
    )


def _told(energy: Any, name: str) -> float | None:
    """One number of the meter; None when the plug did not tell it, NaN for one it cannot mean."""
    from kasa import KasaException

    try:
        value = getattr(energy, name)
    except OverflowError:  # python-kasa reckons with it, and JSON has integers of any length
        return math.nan
    except (KasaException, LookupError, TypeError, ValueError):  # a part of it makes no sense
        return None
    return None if value is None else meter.number(value)


def _kwh(energy: Any, name: str) -> float | None:
    value = _told(energy, name)
    return value if value is not None and 0 <= value < math.inf else None
