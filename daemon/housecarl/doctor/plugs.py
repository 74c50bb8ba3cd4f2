"""The plugs of the configuration, each asked who it is."""

from __future__ import annotations

import asyncio

from housecarl.doctor.finding import Finding, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.journal import values
from housecarl.plugs import busy, flash_log
from housecarl.plugs.device import Device
from housecarl.plugs.names import device
from housecarl.plugs.wire import PlugError, PlugSilent, load

PART = "plugs"


async def examine(patient: Patient) -> list[Finding]:
    """Ask all at once; nothing is switched."""
    settings = patient.settings("plug")
    if settings is None or not settings.plugs:
        return [skipped(PART, "no plugs in the configuration")]
    await load()
    row = patient.read(lambda conn: values.get(conn, busy.MODULE, flash_log.KEY))
    apart = await busy.among(row or {}, settings.plugs)
    plugs = [device(name, settings.plugs[name]) for name in sorted(settings.plugs)]
    return list(await asyncio.gather(*(_asked(plug, apart.get(plug.name)) for plug in plugs)))


async def _asked(plug: Device, apart: str | None) -> Finding:
    where = plug.address.host
    if apart is not None:
        return skipped(PART, f"{plug.name} at {where} {apart}")
    try:
        found = await plug.identity()
    except PlugError as error:
        if isinstance(error, PlugSilent):
            mend = (
                "Is it powered and on the Wi-Fi? `housecarl plugs find` shows where plugs are; "
                "give it a fixed address in the router."
            )
        else:
            mend = f"Is the plug at {where} a TP-Link one? Newer ones need user and password."
        return trouble(PART, f"{plug.name} at {where} {error.text}", mend)
    return well(PART, f"{plug.name} at {where}: {found.model} {found.hw_ver}, {found.rssi} dBm")
