"""Everything that must be true before firmware is sent to a plug; asks, changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from housecarl.errors import CommandError
from housecarl.plugs import image, manifest, meter, serve, version, wire
from housecarl.plugs.device import Device, Identity
from housecarl.plugs.manifest import Candidate
from housecarl.plugs.wire import PlugRefused

#: dBm; weaker than this a download is likely to break off
WEAKEST_SIGNAL = -75
#: watts; a lamp may lose its power for two minutes, a heater or a freezer is asked about first
MAX_LOAD = 100.0
#: how often the load is measured
READINGS = 3
#: models whose hardware 1.x keeps what it fetched until it is told to write; 1.x of HS103, HS105,
#: EP10, KP115 or KP125 writes by itself
WRITE_WHEN_TOLD = ("HS100", "HS110", "HS200")


class NotReady(CommandError):
    """The plug and the file do not go together now; nothing was sent but questions."""

    reason = "preflight"

    def __init__(self, plug: str, why: str) -> None:
        super().__init__(f"{plug}: {why}. Nothing was done.")
        self.why = why


class Rules(NamedTuple):
    """What this house asks for: `key` is the vendor's modulus when signatures are checked.

    Without a `folder` there are no files, but newer plugs have their cloud.
    """

    folder: Path | None
    serve_on: str | None = None
    key: int | None = None
    max_load: float = MAX_LOAD
    #: seconds between readings of the load
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A flash that may begin; `judgement` is what the meter said, None without one."""

    device: Device
    identity: Identity
    target: str
    judgement: meter.Judgement | None

    @property
    def auto(self) -> bool:
        """Whether the download is the flash: all but the first hardware version of old plugs."""
        return True

    @property
    def load_unknown(self) -> str:
        """A sentence when the meter does not say, or cannot truly say, what the plug carries."""
        said = self.judgement
        if said is None or said.watts is not None:
            return ""
        why = "gives no reading" if said.fault is None else "is wrong"
        return f" Its meter {why}, so its load is not known."

    @property
    def source(self) -> str:
        """Where the firmware comes from, as it is written down."""
        return ""

    @property
    def digest(self) -> str:
        """The sha256 of the file; empty where there is none."""
        return ""

    def facts(self) -> dict[str, Any]:
        """What is written down of it before it begins, for whoever finds it interrupted."""
        return {
            "running": self.identity.sw_ver,
            "target": self.target,
            "auto": self.auto,
            "file": self.source,
            "host": self.device.address.host,
            "port": self.device.address.port,
            "mac": self.identity.mac,
            "on": self.identity.on,
        }


@dataclass(frozen=True, slots=True)
class Ready(Prepared):
    """A flash with a file from here, which the plug fetches from `ours`."""

    candidate: Candidate
    data: bytes
    peer: str
    ours: str
    signature_checked: bool

    @property
    def auto(self) -> bool:
        """Whether the download is the flash: all but the first hardware version of old models."""
        model, hardware = self.identity.model.partition("(")[0], self.identity.hw_ver
        return model not in WRITE_WHEN_TOLD or hardware.partition(".")[0] != "1"

    @property
    def source(self) -> str:
        """The name of the file."""
        return self.candidate.file

    @property
    def digest(self) -> str:
        """The sha256 of the file."""
        return self.candidate.image.sha256


async def prepare(device: Device, rules: Rules, file: str | None = None) -> Ready:
    """Check everything, in the order of what costs least. Raises NotReady with the first fault."""
    if rules.folder is None:
        raise NotReady(device.name, "no firmware folder in the config: modules: firmware: folder:")
    identity = await device.identity()
    candidate = await _chosen(device.name, identity, rules.folder, file)
    data = await asyncio.to_thread(_whole, rules.folder, candidate)
    if rules.key is not None and not await asyncio.to_thread(image.signed, data, rules.key):
        raise NotReady(device.name, f"{candidate.file[:40]} is not signed by the vendor")
    _refuse_state(device.name, identity, candidate)
    await _refuse_download(device)
    judgement = await refuse_load(device, identity, rules)
    try:
        peer, ours = await serve.own_address(device.address.host, rules.serve_on)
    except image.ImageError as error:
        raise NotReady(device.name, str(error).removesuffix(".")) from None
    target = candidate.version or ""
    checked = rules.key is not None
    return Ready(device, identity, target, judgement, candidate, data, peer, ours, checked)


async def _chosen(plug: str, identity: Identity, folder: Path, file: str | None) -> Candidate:
    """The file asked for, or the newest that fits; NotReady when it may not go on this plug."""
    found = await asyncio.to_thread(manifest.read_folder, folder)
    if file is None:
        best = manifest.best(found, identity)
        if best is None:
            raise NotReady(plug, _none_fits(found, identity))
        return best
    for name, why in found.refused:
        if name == file:
            raise NotReady(plug, why.removesuffix("."))
    for candidate in found.candidates:
        if candidate.file == file:
            why_not = manifest.unfit(candidate, identity)
            if why_not is not None:
                raise NotReady(plug, why_not)
            return candidate
    raise NotReady(plug, "there is no such firmware file")


def _none_fits(found: manifest.Folder, identity: Identity) -> str:
    if len(found.candidates) == 1:
        return manifest.unfit(found.candidates[0], identity) or "no firmware file fits"
    return f"no firmware file here is for {identity.model} {identity.hw_ver}"


def _whole(folder: Path, candidate: Candidate) -> bytes:
    """The bytes to be sent; ImageError when the file changed since it was judged."""
    again, data = image.read(folder, candidate.file)
    if again.sha256 != candidate.image.sha256:
        raise image.ImageError(f"{candidate.file[:40]} has just changed. Nothing was done.")
    return data


def _refuse_state(plug: str, identity: Identity, candidate: Candidate) -> None:
    running, target = version.short(identity.sw_ver), version.short(candidate.version or "")
    if version.numbers(identity.sw_ver) is None:
        told = running or "a version that it does not tell"
        raise NotReady(plug, f"runs {told}, and whether {target} is newer is not known")
    order = manifest.direction(candidate, identity)
    if order == 0:
        raise NotReady(plug, f"already runs {running}")
    if order < 0:
        raise NotReady(plug, f"runs {running}, {target} would be older")
    if identity.hw_ver == "4.1" and (version.numbers(target) or (0, 0, 0)) >= (1, 1, 0):
        raise NotReady(plug, f"{target} would lock us out of hardware 4.1 for good")
    refuse_now(plug, identity)


def refuse_now(plug: str, identity: Identity) -> None:
    """What may be otherwise in an hour. Raises NotReady."""
    if identity.updating:
        raise NotReady(plug, "another update is running on it")
    if identity.rssi <= WEAKEST_SIGNAL:  # 0 when it is not told
        raise NotReady(plug, f"its Wi-Fi is too weak ({identity.rssi} dBm)")


async def _refuse_download(device: Device) -> None:
    """An upload that somebody else has begun; a finished one of an earlier try does no harm."""
    answer = await device.ask({"system": {"get_download_state": {}}}, tries=2)
    try:
        state = wire.member(device.name, answer, "system", "get_download_state")
    except PlugRefused:
        return
    if state.get("ratio") != 100:
        raise NotReady(device.name, "another download is running on it")


async def refuse_load(device: Device, identity: Identity, rules: Rules) -> meter.Judgement | None:
    """What the meter says; a broken meter says nothing about the load and is no reason to stop.

    Raises NotReady for a load over the limit.
    """
    if not identity.metered:
        return None
    readings = await device.readings(READINGS, pause=rules.pause)
    if not readings:
        return None
    limit = meter.max_watts(identity.model, device.address.max_watts)
    judgement = meter.judge(readings, identity.on, limit)
    watts = judgement.watts or 0.0
    if identity.on and watts > rules.max_load:
        raise NotReady(device.name, f"it carries {watts:.0f} W; switch off what is plugged in")
    return judgement
