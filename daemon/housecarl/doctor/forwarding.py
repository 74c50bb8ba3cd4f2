"""Forwarding from Gmail: a confirmation that somebody still has to give."""

from __future__ import annotations

import sqlite3

from housecarl.doctor.finding import Finding, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.journal import conditions, receipts

#: Receipts looked through for the newest text message; a house has some tens a day.
LOOKED_AT = 500

PART = "forwarding"


async def examine(patient: Patient) -> list[Finding]:
    """A confirmation is given once mail comes through after it was asked for."""
    text = patient.read(_waiting)
    if not text and patient.config.trust.google_voice is None:
        return [skipped(PART, "no google_voice in the configuration")]
    if text is None:
        return [skipped(PART, f"no journal yet: `{patient.start}` makes it")]
    if not text:
        return [well(PART, "no confirmation waits")]
    mend = "Enter the code in Gmail's settings, Forwarding, or open the link in a browser."
    return [trouble(PART, text, mend)]


def _waiting(conn: sqlite3.Connection) -> str:
    """What Gmail asks, when no text message has come through since; else ""."""
    noted = {each.name: each.text for each in conditions.listing(conn)}
    for receipt in receipts.listing(conn, limit=LOOKED_AT):  # newest first
        if receipt.kind == "sms" and receipt.person:
            return ""
        if receipt.kind == "confirmation":
            return noted.get("confirmation", "")
    return ""
