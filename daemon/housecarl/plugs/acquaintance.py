"""Which plug was seen at an address: addresses move, and two plugs may swap theirs."""

from __future__ import annotations

from typing import Any, Protocol

from housecarl.plugs.device import Device, Identity


class Store(Protocol):
    """The part of a module's store that is needed here."""

    async def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""

    async def set(self, key: str, value: Any) -> None:
        """Store a JSON value."""


async def changed(store: Store, device: Device, seen: Identity) -> bool:
    """Whether another plug than the last time answers at its address; said once.

    Not when the configuration gives it another address than before.
    """
    if not seen.mac:
        return False
    key = f"seen {device.name}"
    place, mac = await store.get(key, ("", ""))
    if (place, mac) == (device.key, seen.mac):
        return False
    await store.set(key, (device.key, seen.mac))
    return bool(place == device.key)
