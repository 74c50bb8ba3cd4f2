"""The modules: which are off, and whether others could put code into their folders."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from housecarl import service
from housecarl.doctor import access, sections
from housecarl.doctor.finding import Finding, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.thread import in_thread

#: Seconds to look at every file of every folder.
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
    look = partial(_open, registry.watched, patient.uid(), again)
    found += await in_thread(look, LOOK_SECONDS)
    count = sum(not command.builtin for command in registry.commands.values())
    notes = [well(PART, note) for note in registry.notes.values()]
    off = f", {len(registry.broken)} files off" if registry.broken else ""
    return [well(PART, f"{count} commands{off}"), *notes, *found]


def _open(folders: tuple[Path, ...], uid: int, again: str) -> list[Finding]:
    """What the daemon may not read, and what somebody else may write, who so commands it."""
    found: list[Finding] = []
    for folder in folders:
        try:
            files = sorted(each for each in folder.iterdir() if each.suffix == ".py")
        except (FileNotFoundError, NotADirectoryError):
            mend = f"mkdir {folder}, or take it out of modules.folders"
            found.append(trouble(PART, f"{folder} is no folder", mend))
            continue
        except OSError as error:
            mend = f"Let {access.user(uid)} read it, or take it out of modules.folders."
            found.append(trouble(PART, f"{folder} cannot be read: {error.strerror}", mend))
            continue
        for path in (folder, *files):
            if not access.may_read(path, uid):
                rights = "a+rx" if path == folder else "a+r"
                mend = (
                    f"chmod {rights} {path}, then {again}; "
                    f"`namei -l {path}` shows what else bars it"
                )
                found.append(trouble(PART, f"{path} cannot be read by {access.user(uid)}", mend))
            if who := access.written_by(path, uid):
                mend = f"chown {access.user(uid)} {path} && chmod go-w {path}"
                text = f"{path} can be written by {who}, who could run anything as the daemon"
                found.append(trouble(PART, text, mend))
    return found
