"""The modules: which are off, and whether others could put code into their folders."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import chain
from pathlib import Path

from housecarl import service
from housecarl.doctor import access, sections
from housecarl.doctor.finding import Finding, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.thread import in_thread

#: Seconds to look at every file of a folder.
LOOK_SECONDS = 9.0

PART = "modules"


async def examine(patient: Patient) -> list[Finding]:
    """Name what is broken, then who besides the daemon may change its code."""
    registry = patient.registry
    found = [
        trouble(PART, fault, "Mend the file; it is live when it is saved.")
        for fault in registry.broken.values()
    ]
    problems = sections.faults(patient.loaded, registry)
    found += [trouble(PART, str(each), "`housecarl check` shows the place.") for each in problems]
    again = service.reload(patient.loaded.source.path)
    looks = (_looked(folder, patient.uid(), again) for folder in registry.watched)
    found += chain.from_iterable(await asyncio.gather(*looks))
    count = sum(not command.builtin for command in registry.commands.values())
    notes = [well(PART, note) for note in registry.notes.values()]
    off = f", {len(registry.broken)} files off" if registry.broken else ""
    return [well(PART, f"{count} commands{off}"), *notes, *found]


async def _looked(folder: Path, uid: int, again: str) -> list[Finding]:
    """What is wrong with one folder, in time: one on a dead network mount tells nothing."""
    try:
        return await in_thread(partial(_open, folder, uid, again), LOOK_SECONDS)
    except TimeoutError:
        mend = "Is its mount dead? Mount it anew, or take it out of modules.folders."
        return [trouble(PART, f"{folder} tells nothing in {LOOK_SECONDS:g} s", mend)]


def _open(folder: Path, uid: int, again: str) -> list[Finding]:
    """What the daemon may not read, and what somebody else may write, who so commands it."""
    try:
        files = sorted(each for each in folder.iterdir() if each.suffix == ".py")
    except (FileNotFoundError, NotADirectoryError):
        mend = f"mkdir {folder}, or take it out of modules.folders"
        return [trouble(PART, f"{folder} is no folder", mend)]
    except OSError as error:
        mend = f"Let {access.user(uid)} read it, or take it out of modules.folders."
        return [trouble(PART, f"{folder} cannot be read: {error.strerror}", mend)]
    found: list[Finding] = []
    for path in (folder, *files):
        if not access.may_read(path, uid):
            rights = "a+rx" if path == folder else "a+r"
            mend = f"chmod {rights} {path}, then {again}; `namei -l {path}` shows what else bars it"
            found.append(trouble(PART, f"{path} cannot be read by {access.user(uid)}", mend))
        if who := access.written_by(path, uid):
            mend = f"chown {access.user(uid)} {path} && chmod go-w {path}"
            text = f"{path} can be written by {who}, who could run anything as the daemon"
            found.append(trouble(PART, text, mend))
    return found
