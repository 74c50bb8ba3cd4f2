"""The clock: whether something keeps it right."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from housecarl.clock import is_disciplined
from housecarl.doctor.finding import Finding, trouble, well
from housecarl.doctor.patient import Patient

PART = "clock"


async def examine(patient: Patient) -> list[Finding]:
    """Ask the kernel whether a time service sets it."""
    zone = patient.config.timezone
    now = f"{datetime.now(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} {zone}"
    if is_disciplined():
        return [well(PART, f"{now}, kept by a time service")]
    mend = (
        "Old commands are told from new ones by it: timedatectl set-ntp true, or install chrony. "
        "In a container the host's clock counts."
    )
    return [trouble(PART, f"{now}, but no time service keeps it right", mend)]
