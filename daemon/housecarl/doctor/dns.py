"""The resolver, asked for a key that real mail is signed with."""

from __future__ import annotations

import time

from housecarl.doctor.finding import Finding, Trouble, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.errors import TrustLater

#: Keys that Google signs mail and texts with; one of them is always published, they change slowly.
KEYS = tuple(
    f"{selector}._domainkey.google.com" for selector in ("20251104", "20230601", "20221208")
)

#: A name that has had TXT records for as long as there is SPF.
ANCHOR = "google.com"

PART = "dns"


async def examine(patient: Patient) -> list[Finding]:
    """Ask as a check of a signature does; files that are dropped have none."""
    doors = patient.config.doors
    if doors.smtp is None and doors.imap is None:
        return [skipped(PART, "no door for mail in the configuration")]
    from housecarl.trust import NameServers, key
    from housecarl.trust.tags import Unsound

    servers = patient.config.trust.resolver
    who = ", ".join(servers) or "the system's resolver"
    dns = NameServers(servers)
    began = time.monotonic()
    try:
        for name in KEYS:
            records = await dns.txt(name)
            took = (time.monotonic() - began) * 1000
            try:
                found = key.read(records)
            except Unsound:
                continue
            text = f"{who}: DKIM key {name.partition('.')[0]} of google.com, {found.bits} bits"
            return [well(PART, f"{text}, {took:.0f} ms")]
        anchored = await dns.txt(ANCHOR)
    except TrustLater as fault:
        raise Trouble(
            f"{who}: {fault}",
            "Without it no signature can be checked, and messages wait. Set trust.resolver to a "
            "name server that answers, or mend /etc/resolv.conf.",
        ) from None
    if anchored:
        return [well(PART, f"{who}: answers with TXT records; Google signs with other keys now")]
    mend = "It hides TXT records: set trust.resolver to another name server."
    return [trouble(PART, f"{who}: answers, but knows no key of google.com", mend)]
