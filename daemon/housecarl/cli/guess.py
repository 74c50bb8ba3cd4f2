"""What this machine tells about the house and its owner, as first guesses for `init`."""

from __future__ import annotations

import os
import pwd
import re
import socket
from pathlib import Path
from typing import NamedTuple
from zoneinfo import TZPATH, ZoneInfo

#: countries that measure in miles and Fahrenheit
_US_UNITS = {"US", "LR", "MM"}

#: hosts of providers whose names do not follow imap.DOMAIN and smtp.DOMAIN
_PROVIDERS = {
    "gmail.com": ("imap.gmail.com", "smtp.gmail.com"),
    "googlemail.com": ("imap.gmail.com", "smtp.gmail.com"),
    "outlook.com": ("outlook.office365.com", "smtp.office365.com"),
    "hotmail.com": ("outlook.office365.com", "smtp.office365.com"),
    "icloud.com": ("imap.mail.me.com", "smtp.mail.me.com"),
    "yahoo.com": ("imap.mail.yahoo.com", "smtp.mail.yahoo.com"),
}


class Guesses(NamedTuple):
    """First guesses; an empty text where the machine tells nothing.

    `login` is who types this, also through sudo; empty for root itself.
    """

    house: str
    timezone: str
    login: str


def look(root: Path = Path("/")) -> Guesses:
    """Ask the machine whose file system begins at `root`."""
    host = socket.gethostname().partition(".")[0]
    return Guesses(
        house=host if host.isprintable() and host not in ("", "localhost") else "house",
        timezone=_timezone(root),
        login=_login(),
    )


def hosts(address: str) -> tuple[str, str]:
    """The IMAP and SMTP hosts that probably serve a mail address."""
    domain = address.rpartition("@")[2].lower()
    return _PROVIDERS.get(domain, (f"imap.{domain}", f"smtp.{domain}"))


def region(zone: str) -> str:
    """The country of a time zone (ISO 3166, such as US), empty when it has none or many."""
    for folder in TZPATH:
        table = Path(folder, "zone.tab")
        if table.is_file():
            found = re.search(
                rf"(?m)^([A-Z]{{2}})\t\S+\t{re.escape(zone)}(\t|$)", table.read_text()
            )
            return found[1] if found else ""
    return ""


def units(country: str) -> str:
    """us or metric: by the locale, else by the country."""
    for name in ("LC_ALL", "LC_MEASUREMENT", "LANG"):
        if found := re.match(r"[a-z]{2,3}_([A-Z]{2})\b", os.environ.get(name, "")):
            country = found[1]
            break
    return "us" if not country or country in _US_UNITS else "metric"


def _timezone(root: Path) -> str:
    told = (os.environ.get("TZ", ""), _first_line(root / "etc/timezone"), _linked(root))
    for name in filter(None, told):
        try:
            return str(ZoneInfo(name.removeprefix(":")))
        except (KeyError, ValueError, OSError):  # not there, not a name, a folder
            continue
    return "UTC"


def _first_line(path: Path) -> str:
    try:
        return path.read_text().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _linked(root: Path) -> str:
    """`Europe/Zurich` of /etc/localtime -> /usr/share/zoneinfo/Europe/Zurich."""
    try:
        return str((root / "etc/localtime").readlink()).partition("zoneinfo/")[2]
    except OSError:
        return ""


def _login() -> str:
    name = os.environ.get("SUDO_USER") or ""
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container's uid without a name
            name = ""
    return "" if name == "root" else name
