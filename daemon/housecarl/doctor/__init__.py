"""The doctor: every part of a house tried for real, and how to mend what is not well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection

from housecarl.doctor import (
    clock,
    config,
    dns,
    drop,
    firmware,
    forwarding,
    imap,
    modules,
    ping,
    plugs,
    post,
    secrets,
    smtp,
    spool,
    unit,
    weather,
)
from housecarl.doctor.finding import Finding, State, Trouble, trouble
from housecarl.doctor.patient import Patient, admit
from housecarl.doctor.secrets import lend_credentials

__all__ = [
    "CHECKS",
    "Finding",
    "Patient",
    "State",
    "admit",
    "lend_credentials",
    "visit",
]

#: Seconds for one part, whatever hangs in it.
LIMIT = 10.0

Check = Callable[[Patient], Awaitable[list[Finding]]]

#: Every part by its name, in the order they are told.
CHECKS: dict[str, Check] = {
    "config": config.examine,
    "secrets": secrets.examine,
    "modules": modules.examine,
    "spool": spool.examine,
    "smtp": smtp.examine,
    "imap": imap.examine,
    "drop": drop.examine,
    "post": post.examine,
    "forwarding": forwarding.examine,
    "dns": dns.examine,
    "clock": clock.examine,
    "ping": ping.examine,
    "plugs": plugs.examine,
    "firmware": firmware.examine,
    "weather": weather.examine,
    "unit": unit.examine,
}


async def visit(patient: Patient, parts: Collection[str]) -> AsyncIterator[Finding]:
    """Examine these parts all at once; what was found, in their order, as soon as it is known."""
    tasks = [
        asyncio.create_task(_examined(name, patient), name=name) for name in CHECKS if name in parts
    ]
    for task in tasks:
        for finding in await task:
            yield finding


async def _examined(name: str, patient: Patient) -> list[Finding]:
    """What one check found; it may hang or break without keeping the others from their work."""
    try:
        async with asyncio.timeout(LIMIT):
            return await CHECKS[name](patient)
    except Trouble as error:
        return [trouble(name, error.text, error.mend)]
    except TimeoutError:
        mend = "Is this machine on the network? See the line of dns."
        return [trouble(name, f"no answer in {LIMIT:g} s", mend)]
    except Exception as error:  # noqa: BLE001  a check that breaks must not hide the others
        if isinstance(error, PermissionError) and error.filename:
            mend = f"`namei -l {error.filename}` shows what bars it"
            return [trouble(name, f"{error.filename}: {error.strerror}", mend)]
        text = f"this check broke: {type(error).__name__}: {error}"
        return [trouble(name, text, "`housecarl status` may tell more; please report it.")]
