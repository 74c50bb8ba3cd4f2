"""Where messages live when the configuration does not say."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: Where the installed service keeps its messages: systemd/housecarl.tmpfiles makes it.
SERVICE_SPOOL = Path("/var/lib/housecarl/spool")


def spool_folder(*, service: bool = False) -> Path:
    """Where the spool is when nothing is said; `service`: in the configuration of the service.

    systemd's `$STATE_DIRECTORY/spool`; else `spool/` of a checkout; else the installed service's,
    with its configuration and for root and the service's user, so that their verbs find it; else
    the user's state folder.
    """
    if state := os.environ.get("STATE_DIRECTORY"):
        return Path(state.split(":")[0], "spool")  # systemd joins several by colons
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / "spool"
    with suppress(OSError):
        if os.geteuid() in (0, SERVICE_SPOOL.stat().st_uid) or service:
            return SERVICE_SPOOL
    try:
        return Path(state_home(), "housecarl", "spool").expanduser()
    except RuntimeError:  # a login without a home
        return SERVICE_SPOOL


def state_home() -> str:
    """Where a login's programs keep what they know, `~` not resolved.

    A relative `$XDG_STATE_HOME` is ignored, as the XDG Base Directory Specification says: it would
    be another folder wherever a verb is called.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    return named if named.startswith("/") else "~/.local/state"
