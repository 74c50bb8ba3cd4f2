"""The unit of systemd: whether the installed one is as strict as the shipped one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from housecarl import service
from housecarl.config import Config
from housecarl.config_file import SERVICE_FILE
from housecarl.config_spool import SERVICE_SPOOL
from housecarl.doctor import secrets
from housecarl.doctor.files import certificates
from housecarl.doctor.finding import Finding, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.thread import in_thread

#: There when systemd runs this machine (sd_booted(3)).
BOOTED = Path("/run/systemd/system")

#: The units that listen for the daemon.
SOCKETS = ("housecarl.socket", "housecarl-smtps.socket")

#: What the unit must say, and what that is good for.
WANTED = {
    "NoNewPrivileges": ("yes", "no program it starts gains a right"),
    "ProtectSystem": ("strict", "it can write only where its state is"),
    "ProtectHome": ("yes", "it sees no home folder"),
    "PrivateDevices": ("yes", "it reaches no device"),
    "MemoryDenyWriteExecute": ("yes", "nothing it writes into memory can be run"),
    "CapabilityBoundingSet": ("", "it has no privilege of root"),
    "PrivateUsers": ("no", "else it cannot see whose file was dropped"),
    "DynamicUser": ("no", "else the owner of the spool changes"),
    "Restart": ("always", "it comes back after a fault"),
}

#: What ProtectHome hides.
HOMES = ("/home", "/root", "/run/user")

#: Where the unit lets it write without being told.
STATE = str(SERVICE_SPOOL.parent)

PART = "unit"


async def examine(patient: Patient) -> list[Finding]:
    """Ask systemd what the installed unit says."""
    if not BOOTED.is_dir() or shutil.which("systemctl") is None:
        return [skipped(PART, "this machine is not run by systemd")]
    names = ["LoadState", "ActiveState", "User", "WatchdogUSec", "ReadWritePaths", *WANTED]
    said = await in_thread(partial(service.asked, "housecarl", *names), service.ANSWER_SECONDS + 1)
    if not service.is_installed(patient.loaded.source.path):
        return judged(said)
    files = [secret.file for _, secret in secrets.every(patient) if secret.file is not None]
    return judged(said, patient.config, files)


def judged(
    said: Mapping[str, str], config: Config | None = None, files: Sequence[Path] = ()
) -> list[Finding]:
    """The findings about what `systemctl show` said, by property.

    `config` is what the unit serves, `files` are those of its secrets.
    """
    if not said:
        return [skipped(PART, "systemctl does not answer")]
    if said.get("LoadState") != "loaded":
        return [skipped(PART, "housecarl.service is not installed")]
    found = [
        trouble(
            PART,
            f"{name} is {said.get(name) or 'not set'}, should be {wanted or 'empty'}: {why}",
            f"systemctl edit housecarl: [Service] {name}={wanted}",
        )
        for name, (wanted, why) in WANTED.items()
        if name in said and said[name] != wanted
    ]
    if said.get("User") in ("", "root"):
        mend = "systemctl edit housecarl: [Service] User=housecarl"
        found.append(trouble(PART, "it runs as root", mend))
    # systemd knows of the watchdog only once it has started the unit
    if said.get("ActiveState") == "active" and said.get("WatchdogUSec") in ("0", "infinity"):
        mend = "systemctl edit housecarl: [Service] WatchdogSec=60"
        found.append(trouble(PART, "no watchdog: a daemon that hangs is not started again", mend))
    found += _shut_out(said, config, files) if config is not None else []
    return found or [well(PART, "housecarl.service is hardened as shipped")]


def _shut_out(said: Mapping[str, str], config: Config, files: Sequence[Path]) -> list[Finding]:
    """What root sees here, and the daemon in its unit does not, or cannot write."""
    spool = config.spool.resolve()
    homes = HOMES if said.get("ProtectHome") == "yes" else ()
    places = dict.fromkeys((spool, *(each.resolve() for each in config.modules.folders)), STATE)
    # by their names: one may be on a disk that tells nothing
    places |= dict.fromkeys([*files, *certificates(config).values()], str(SERVICE_FILE.parent))
    hidden = "is hidden from the daemon, as all of /home and /root is"
    found = [
        trouble(PART, f"{path} {hidden}", f"Move it, such as to {place}.")
        for path, place in places.items()
        if _is_below(path, homes)
    ]
    writable = [word.lstrip("-+") for word in said.get("ReadWritePaths", "").split()]
    writes = said.get("ProtectSystem") != "strict" or _is_below(spool, (STATE, *writable))
    if not writes and not _is_below(spool, homes):
        text = f"{spool} cannot be written by the daemon, which writes in {STATE}"
        mend = f"systemctl edit housecarl: [Service] ReadWritePaths={spool}"
        found.append(trouble(PART, text, mend))
    return found


def _is_below(path: Path, places: Iterable[str]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def sockets() -> dict[str, bool]:
    """The places where systemd listens for the daemon in place of its own; blocks.

    HOST:PORT to whether TLS begins with the first byte; empty when no socket unit is active.
    """
    if not BOOTED.is_dir() or shutil.which("systemctl") is None:
        return {}
    found: dict[str, bool] = {}
    for name in SOCKETS:
        found |= listened(service.asked(name, "ActiveState", "FileDescriptorName", "Listen"))
    return found


def listened(said: Mapping[str, str]) -> dict[str, bool]:
    """The places in what `systemctl show` said of a socket unit: "[::]:25 (Stream)"."""
    if said.get("ActiveState") != "active":
        return {}
    under_tls = said.get("FileDescriptorName") == "smtps"
    words = said.get("Listen", "").split()
    return {word: under_tls for word in words if word.rpartition(":")[2].isdigit()}
