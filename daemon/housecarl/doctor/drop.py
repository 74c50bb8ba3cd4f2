"""The drop door: who may put files into the spool, and whether those who should can."""

from __future__ import annotations

import pwd
import stat
from pathlib import Path

from housecarl.doctor import access
from housecarl.doctor.finding import Finding, Trouble, skipped, trouble, well
from housecarl.doctor.patient import Patient

PART = "drop"


async def examine(patient: Patient) -> list[Finding]:
    """Look at the spool's root and at each login that the configuration names."""
    if patient.config.doors.drop is None:
        return [skipped(PART, "no drop door in the configuration")]
    spool = patient.config.spool
    if not spool.is_dir():
        raise Trouble(f"{spool} is no folder", "See the line of spool.")
    about = spool.stat()
    found: list[Finding] = []
    shared = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if shared and not about.st_mode & stat.S_ISVTX:
        text = f"{spool}: who may put files there may also take away those of others"
        found.append(trouble(PART, text, f"chmod +t {spool}"))
    if about.st_mode & stat.S_IWOTH:
        mend = f"chgrp housecarl-drop {spool} && chmod 3730 {spool}"
        found.append(trouble(PART, f"{spool}: every login may put files there", mend))
    found += _logins(patient, spool)
    told = f"{spool} belongs to {access.user(about.st_uid)}:{access.group(about.st_gid)}"
    return [well(PART, f"{told}, mode {stat.S_IMODE(about.st_mode):o}"), *found]


def _logins(patient: Patient, spool: Path) -> list[Finding]:
    """Each login under `unix`: whether there is one, and whether it can put a file there."""
    found: list[Finding] = []
    for person, settings in patient.config.people.items():
        for n, login in enumerate(settings.unix):
            try:
                uid = pwd.getpwnam(login).pw_uid
            except KeyError:
                text = f"people.{person}.unix.{n}: there is no login {login} here"
                found.append(trouble(PART, text, "Correct the name, or take it out."))
                continue
            if not access.may_write(spool, uid):
                mend = (
                    f"adduser {login} housecarl-drop, with the spool's root chgrp housecarl-drop "
                    "and mode 3730."
                )
                found.append(trouble(PART, f"{login} cannot put files into {spool}", mend))
    return found
