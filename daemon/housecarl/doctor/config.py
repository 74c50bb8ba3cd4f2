"""The configuration: read, with people in it, and in nobody else's hands."""

from __future__ import annotations

from housecarl.doctor import access, files
from housecarl.doctor.finding import Finding, Trouble, trouble, well
from housecarl.doctor.patient import Patient

PART = "config"


async def examine(patient: Patient) -> list[Finding]:
    """It was read without a fault, or we would not be here: say what it amounts to."""
    config, path = patient.config, patient.loaded.source.path
    doors = [name for name, door in config.doors if door is not None]
    people = f"{len(config.people)} {'person' if len(config.people) == 1 else 'people'}"
    found = [well(PART, f"{path}: {people}, doors {', '.join(doors) or 'none'}")]
    if not config.people:
        mend = "Name somebody under people; `housecarl init` asks who, and writes a new file."
        found.append(trouble(PART, "the house knows nobody and obeys no one", mend))
    if not doors:
        mend = "Name a door under doors, such as drop: {}; `man housecarl.yaml` has them all."
        found.append(trouble(PART, "no door is on: no message can come in", mend))
    if fault := unread(patient):
        found.append(trouble(PART, f"{path} {fault.text}", fault.mend))
    for loc, file in files.certificates(config).items():
        if closed := files.unread(file, patient.uid()):
            text = f"{'.'.join(map(str, loc))}: {closed.text}"
            found.append(trouble(PART, text, closed.mend))
    if who := access.replaced_by(path.absolute(), patient.uid()):
        text = f"{path} can be replaced by {who}, who could make themselves a person"
        mend = f"chmod go-w {path} {path.absolute().parent}; see whose they are with ls -ld"
        found.append(trouble(PART, text, mend))
    return found


def unread(patient: Patient) -> Trouble | None:
    """What keeps the daemon from reading the file that we could read; None when nothing does."""
    uid, path = patient.uid(), patient.loaded.source.path.absolute()
    if access.may_read(path, uid):
        return None
    name, group = access.user(uid), access.group(access.groups(uid)[0])
    return Trouble(
        f"cannot be read by {name}, as whom the daemon runs: it would not start with it",
        f"chgrp {group} {path} && chmod 640 {path}; `namei -l {path}` shows what else bars it",
    )
