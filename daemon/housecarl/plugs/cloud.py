"""What the vendor's cloud has for a newer plug, asked through the plug; asks, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from housecarl.plugs import version
from housecarl.plugs.device import Identity
from housecarl.plugs.preflight import NotReady, Prepared, Rules, refuse_load, refuse_now
from housecarl.plugs.tapo import NewDevice


class Offer(NamedTuple):
    """What the plug says of the cloud's firmware: `asked` whether the cloud answered it.

    `newer` is the plug's word that it should be updated, `version` what it would then run.
    """

    connected: bool
    asked: bool
    newer: bool = False
    version: str = ""
    #: whether the plug updates itself at night; None for one that cannot
    automatic: bool | None = None


@dataclass(frozen=True, slots=True)
class CloudReady(Prepared):
    """A flash from the cloud that may begin."""

    plug: NewDevice
    automatic: bool | None

    @property
    def source(self) -> str:
        """Where it comes from."""
        return "TP-Link cloud"


async def offered(plug: NewDevice) -> Offer:
    """Ask for the newest firmware; NotReady for a plug that has no such question."""

    async def ask(firmware: Any) -> Offer:
        found = await firmware.check_latest_firmware()
        automatic = firmware.auto_update_enabled if firmware.supported_version > 1 else None
        connected = bool(firmware._device.is_cloud_connected)
        if found is None:
            return Offer(connected, False, automatic=automatic)
        told = str(found.version or "")
        return Offer(connected, True, bool(found.update_available), told, automatic)

    offer = await plug.with_firmware(ask)
    if offer is None:
        raise NotReady(plug.name, "it tells nothing of its firmware")
    return offer


def none_newer(offer: Offer, identity: Identity) -> str | None:
    """Why nothing can be had from the cloud; None when something newer can."""
    running = version.short(identity.sw_ver)
    if not offer.connected:
        return "it is not connected to the TP-Link cloud"
    if not offer.asked:
        return "the TP-Link cloud did not tell it of firmware"
    if not offer.newer:
        return f"already runs {running}, the newest in the TP-Link cloud"
    wanted, now = version.numbers(offer.version), version.numbers(identity.sw_ver)
    if wanted is None or now is None:
        return "the TP-Link cloud tells no version"
    if wanted == now:
        return f"already runs {running}"
    if wanted < now:
        return f"runs {running}, {version.short(offer.version)} would be older"
    return None


async def prepare(plug: NewDevice, rules: Rules, file: str | None = None) -> CloudReady:
    """Check everything that can be known before. Raises NotReady with the first fault."""
    if file is not None:
        raise NotReady(plug.name, "it takes firmware from the TP-Link cloud only, no file")
    identity = await plug.identity()
    offer = await offered(plug)
    why = none_newer(offer, identity)
    if why is not None:
        raise NotReady(plug.name, why)
    refuse_now(plug.name, identity)
    judgement = await refuse_load(plug, identity, rules)
    return CloudReady(plug, identity, offer.version, judgement, plug, offer.automatic)
