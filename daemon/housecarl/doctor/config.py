"""The configuration: read, with people in it, and in nobody else's hands."""

from __future__ import annotations

from housecarl.doctor import access
from housecarl.doctor.finding import Finding, trouble, well
from housecarl.doctor.patient import Patient

PART = "config"


async def examine(patient: Patient) -> list[Finding]:
    """It was read without a fault, or we would not be here: say what it amounts to."""
    config, path = patient.config, patient.loaded.source.path
    doors = [name for name, door in config.doors if door is not None]
    people = f"{len(config.people)} {'person' if len(config.people) == 1 else 'people'}"
    found = [well(PART, f"{path}: {people}, doors {', '.join(doors) or 'none'}")]
    if not config.people:
        mend = "Name somebody under people: docs/config.md."
        found.append(trouble(PART, "the house knows nobody and obeys no one", mend))
    if not doors:
        mend = "Name a door under doors: docs/config.md."
        found.append(trouble(PART, "no door is on: no message can come in", mend))
    if who := access.replaced_by(path.absolute(), patient.uid()):
        text = f"{path} can be replaced by {who}, who could make themselves a person"
        mend = f"chmod go-w {path} {path.absolute().parent}; see whose they are with ls -ld"
        found.append(trouble(PART, text, mend))
    return found
