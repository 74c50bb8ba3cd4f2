"""Flash firmware onto smart plugs, with every check a careful person would make."""

import asyncio
import ipaddress
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from housecarl import Call, CommandError, Reply, Risk, command
from housecarl.location import Location
from housecarl.plugs import aftermath, busy, cloud, consent, flashing, image, manifest, version
from housecarl.plugs.cloud import CloudReady
from housecarl.plugs.device import Device, Identity
from housecarl.plugs.download import Pace
from housecarl.plugs.flash_log import StoreLog, Unfinished
from housecarl.plugs.flash_progress import watched
from housecarl.plugs.manifest import Candidate, Folder
from housecarl.plugs.names import device, named
from housecarl.plugs.preflight import MAX_LOAD, Ready, Rules
from housecarl.plugs.settings import Plugs
from housecarl.plugs.tapo import NewDevice

Action = Literal["check", "flash"]
#: images named in one SMS
NAMED = 2


def _own(value: str) -> str:
    """An address that plugs can be given. ValueError says what it should be."""
    try:
        if not ipaddress.IPv4Address(value).is_unspecified:
            return value
    except ValueError:
        pass
    raise ValueError("should be one IPv4 address of this machine, such as 192.168.1.5")


class Settings(BaseModel):
    """`folder` holds images and manifest.yaml; `plugs` come from the section of plug."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: keys taken from another module's section when this one has none of that name
    borrows: ClassVar[Mapping[str, str]] = {"plugs": "plug"}

    folder: Location | None = None
    #: our address that the plugs can reach; found by the route to the plug when not given
    serve_on: Annotated[str, AfterValidator(_own)] | None = None
    #: the vendor's public key, to check signatures with
    key: Location | None = None
    #: watts; with more on the plug it is not flashed
    max_load: float = Field(default=MAX_LOAD, ge=0)
    #: 1 for real plugs, less for simulated ones that live faster
    pace: float = Field(default=1.0, gt=0, le=1)
    plugs: Plugs = Field(default_factory=dict)


def risk(args: Any) -> Risk:
    """Looking and checking change nothing; a flash is a danger."""
    return Risk.DANGER if args.action == "flash" else Risk.LOOK


async def question(args: Any) -> str:
    """What is asked before the code, after every check was made once."""
    call, words = args.call, f"{args.plug} {args.file}"
    if (told := await _left_open(call)) is not None:  # a plug that is flashed is not asked
        raise CommandError(told)
    ready = await _ready(call, await _device(call, args.plug), args.file)
    await consent.remember(call.store, call.person, words, ready)
    old, new = version.short(ready.identity.sw_ver), version.short(ready.target)
    head = f"Flash {ready.device.name} {old} to {new}? It goes off for 2 min."
    return f"{head}{ready.load_unknown}"


async def interrupted(call: Call) -> Reply | None:
    """What became of the flash that this call began and a restart cut off."""
    journal = StoreLog(call.store)
    for row in await journal.unfinished():
        if row.receipt == call.id and not row.live:
            pace, zone = Pace(call.settings.pace), call.house.timezone
            return Reply(await aftermath.settled(journal, row, _device_of(call, row), zone, pace))
    told = await journal.told(call.id)
    return None if told is None else Reply(told)


@command(risk=risk, confirm=question, interrupted=interrupted, timeout=60)
async def firmware(
    call: Call, plug: str = "", action: Action | None = None, file: str = ""
) -> Reply:
    """Look at a plug's firmware, or flash it: firmware lamp

    firmware lists the files here; firmware lamp check makes every check and changes nothing;
    firmware lamp flash asks for a code, flashes, and texts the result about 3 minutes later.
    """
    told = await _left_open(call)
    if told is not None and action != "flash":
        return Reply(told)
    if not plug:
        return _listed(await asyncio.to_thread(manifest.read_folder, _folder(call)))
    if action is None:
        return await _looked(call, plug)
    if action == "check":
        return _checked(await _ready(call, await _device(call, plug), file))
    if told is not None:
        raise CommandError(told)
    return await _begun(call, plug, file)


async def _begun(call: Call, plug: str, file: str) -> Reply:
    """Check everything again, write it down, go on in the background.

    With the plug's lock held: it is still as it was found when it is left alone by everybody else.
    """
    journal = StoreLog(call.store)
    async with call.lock("firmware"):
        found = await _device(call, plug)
        async with call.lock(found.key):
            ready = await _ready(call, found, file)
            await consent.keep(call.store, call.person, f"{plug} {file}", ready)
            if not await journal.claim(found.name, {**ready.facts(), "receipt": call.id}):
                raise CommandError("Another flash is running. One at a time.")

    async def work() -> None:
        pace = Pace(call.settings.pace)
        async with watched(call.store, pace.of(1.0)) as seen:

            def progress(share: float, doing: str) -> None:
                call.progress(share)
                seen.note(share, doing)

            try:
                outcome = await flashing.flash(ready, journal, pace, progress).run()
            finally:
                journal.leave()
        trail = f" Log {call.id[:4]}." if call.id and not outcome.done else ""
        await call.follow_up(Reply(outcome.text + trail))

    going = work()
    weakref.finalize(going, journal.leave)  # also when it is not begun, for it cannot be noted
    call.spawn(going)
    text = f"Flashing {ready.device.name}. Do not unplug. Result in about 3 min."
    return Reply(text, rows=_ready_rows(ready))


async def _left_open(call: Call) -> str | None:
    """What became of a flash that we did not see the end of; None when there is none."""
    journal = StoreLog(call.store)
    for row in await journal.unfinished():
        if row.live:
            return f"{row.plug} is being flashed to {version.short(row.target)}. Do not unplug."
        settle, zone = Pace(call.settings.pace).of(busy.SETTLE), call.house.timezone
        ended, sentence = await aftermath.found(row, _device_of(call, row), zone, settle=settle)
        if ended:
            await journal.finish(sentence)
        return sentence
    return None


def _device_of(call: Call, row: Unfinished) -> Device | None:
    """The plug of a flash; None when it is not in the config any more."""
    address = call.settings.plugs.get(row.plug)
    return device(row.plug, address) if address is not None else None


async def _looked(call: Call, plug: str) -> Reply:
    """What the plug runs, and whether something newer lies here; the plug is only asked."""
    asked = await _device(call, plug)
    identity = await asked.identity()
    if isinstance(asked, NewDevice):
        return await _looked_up(call, asked, identity)
    found = Folder()
    if call.settings.folder is not None:
        found = await asyncio.to_thread(manifest.read_folder, _folder(call))
    running = version.short(identity.sw_ver)
    text = f"{asked.name} {identity.model} {identity.hw_ver} runs {running}."
    newest = manifest.best(found, identity)
    rows = _rows(identity)
    if newest is None:
        why = _why_not(found, identity)
        return Reply(f"{text} {why}", rows=rows)
    rows += _file_rows(newest)
    if manifest.direction(newest, identity) <= 0:
        return Reply(f"{text} No newer file is here.", rows=rows)
    ready = version.short(newest.version or "")
    return Reply(f"{text} File {ready} is ready. To flash: {_order(call, asked.name)}", rows=rows)


async def _looked_up(call: Call, plug: NewDevice, identity: Identity) -> Reply:
    """What a newer plug runs, and whether the cloud has something newer."""
    text = f"{plug.name} {identity.model} {identity.hw_ver} runs {version.short(identity.sw_ver)}."
    offer = await cloud.offered(plug)
    rows = [*_rows(identity), *_offer_rows(offer.version, offer.automatic)]
    why = cloud.none_newer(offer, identity)
    if why is not None:
        known = offer.asked and not (offer.newer and version.numbers(offer.version) is None)
        none = "Nothing newer is in the TP-Link cloud." if known else f"But {why}."
        return Reply(f"{text} {none}", rows=rows)
    ready = version.short(offer.version)
    text = f"{text} The TP-Link cloud has {ready}. To flash: {_order(call, plug.name)}"
    return Reply(text, rows=rows)


def _order(call: Call, name: str) -> str:
    """What orders the flash."""
    return call.house.typed("firmware", name, "flash")


def _why_not(found: Folder, identity: Identity) -> str:
    if not found.candidates and found.refused:
        return found.refused[0][1]
    if len(found.candidates) == 1:
        return f"{manifest.unfit(found.candidates[0], identity)}."
    return "No file for it is here."


def _checked(ready: Ready | CloudReady) -> Reply:
    old, new = version.short(ready.identity.sw_ver), version.short(ready.target)
    text = f"{ready.device.name} can be flashed {old} to {new}"
    if isinstance(ready, CloudReady):
        return Reply(f"{text} from the TP-Link cloud.", rows=_ready_rows(ready))
    return Reply(f"{text}. {' '.join(_signature(ready))}.", rows=_ready_rows(ready))


def _listed(found: Folder) -> Reply:
    """The files here."""
    parts = [_brief(one) for one in found.candidates] + [why for _, why in found.refused]
    if not parts:
        return Reply("No firmware files here.")
    more = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    rows = [(one.file, _brief(one)) for one in found.candidates]
    rows += [(file, why) for file, why in found.refused]
    text = "; ".join(part.removesuffix(".") for part in parts[:NAMED])
    return Reply(f"{text}{more}.", rows=rows)


def _brief(one: Candidate) -> str:
    if one.version is None:
        return f"{one.file[:40]} tells no version; describe it in the manifest"
    model = one.models[0] if one.models else "hardware " + one.image.hw_ids[0][:8]
    hardware = f" {one.hardware}" if one.hardware and one.models else ""
    return f"{version.short(one.version)} for {model}{hardware}"


def _rows(identity: Identity) -> list[tuple[str, str]]:
    rows = [("Model", f"{identity.model} {identity.hw_ver}"), ("Runs", identity.sw_ver)]
    return [*rows, ("Hardware id", identity.hw_id)] if identity.hw_id else rows


def _ready_rows(ready: Ready | CloudReady) -> list[tuple[str, str]]:
    """The table of an e-mail about a flash."""
    rows = _rows(ready.identity)
    if isinstance(ready, CloudReady):
        return [*rows, *_offer_rows(ready.target, ready.automatic)]
    return [*rows, *_file_rows(ready.candidate), _signature(ready)]


def _offer_rows(offered: str, automatic: bool | None) -> list[tuple[str, str]]:
    rows = [("TP-Link cloud", offered)] if offered else []
    if automatic is None:
        return rows
    return [*rows, ("Updates itself", "yes" if automatic else "no")]


def _file_rows(one: Candidate) -> list[tuple[str, str]]:
    return [
        ("File", one.file),
        ("Version", f"{one.version} (by {one.source})"),
        ("Size", f"{one.image.size} bytes"),
        ("SHA-256", one.image.sha256),
    ]


def _signature(ready: Ready) -> tuple[str, str]:
    return ("Signature", "good" if ready.signature_checked else "not checked")


async def _ready(call: Call, found: Device, file: str) -> Ready | CloudReady:
    settings = call.settings
    key = await asyncio.to_thread(image.load_key, settings.key) if settings.key else None
    folder = None if isinstance(found, NewDevice) else _folder(call)
    rules = Rules(folder, settings.serve_on, key, settings.max_load, settings.pace)
    return await flashing.prepare(found, rules, file or None)


async def _device(call: Call, plug: str) -> Device:
    apart = await busy.left_alone(call.store, call.settings.plugs)
    devices = await named([plug], call.settings.plugs, apart=apart)
    if len(devices) > 1:
        raise CommandError("One plug at a time, please.")
    return devices[0]


def _folder(call: Call) -> Path:
    if call.settings.folder is None:
        raise CommandError("No firmware folder in the config: modules: firmware: folder:.")
    return Path(call.settings.folder)
